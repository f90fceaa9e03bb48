"""captum: training with integrated gradients and saliency taken between the steps."""

import torch
from captum.attr import IntegratedGradients, LayerGradCam, Saliency
from torch import nn

torch.manual_seed(33)
x = torch.randn(64, 1, 8, 8)
y = (x[:, 0, 2:4, 2:4].mean((1, 2)) > 0).long()
net = nn.Sequential(
    nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(24, 2)
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
integrated, cam = IntegratedGradients(net), LayerGradCam(net, net[0])
print("begin")
for step in range(20):
    at = torch.randint(64, (16,))
    loss = nn.functional.cross_entropy(net(x[at]), y[at])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 4:
        shares = integrated.attribute(x[:2], target=1, n_steps=8)
        steep = Saliency(net).attribute(x[:2].clone(), target=0)
        print(step, loss.item(), shares.sum().item(), steep.sum().item())
print(cam.attribute(x[:1], target=1).sum().item())
print("end", [p.sum().item() for p in net.parameters()], torch.rand(1).item())
