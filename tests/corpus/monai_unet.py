"""monai: a three-dimensional U-Net with Dice loss on made volumes, sliding-window evaluation."""

import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.metrics import DiceMetric
from monai.networks.nets import UNet
from monai.utils import set_determinism

set_determinism(31)
volumes = torch.randn(8, 1, 16, 16, 16)
masks = (torch.nn.functional.avg_pool3d(volumes, 3, 1, 1) > 0.1).float()
net = UNet(3, 1, 2, channels=(4, 8, 16), strides=(2, 2), num_res_units=1, dropout=0.1)
loss_fn = DiceCELoss(to_onehot_y=True, softmax=True)
metric = DiceMetric(include_background=False)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3, amsgrad=True)
print("begin")
for epoch in range(4):
    net.train()
    for at in torch.randperm(6).split(2):
        optimizer.zero_grad()
        loss = loss_fn(net(volumes[at]), masks[at])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        found = sliding_window_inference(volumes[6:], (8, 8, 8), 4, net).argmax(1, keepdim=True)
        metric(found, masks[6:])
    print(epoch, loss.item(), metric.aggregate().item())
    metric.reset()
print("end", [p.sum().item() for p in net.parameters()][:4], torch.rand(1).item())
