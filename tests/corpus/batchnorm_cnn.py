"""A hand loop: convolutions with batch norm and dropout, SGD with momentum, StepLR, whole saves."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(5)
images = torch.randn(96, 1, 12, 12)
labels = (images[:, 0, :6].mean((1, 2)) > images[:, 0, 6:].mean((1, 2))).long()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 16, 3, stride=2, bias=False), nn.BatchNorm2d(16)
        self.drop, self.fc = nn.Dropout(0.25), nn.Linear(16, 2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.relu_(self.bn2(self.conv2(x)))
        return self.fc(self.drop(F.adaptive_avg_pool2d(x, 1).flatten(1)))


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.3)
best = None
print("begin")
for epoch in range(5):
    net.train()
    order = torch.randperm(80)
    for at in order.split(16):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images[at]), labels[at], label_smoothing=0.1)
        loss.backward()
        optimizer.step()
    scheduler.step()
    net.eval()
    with torch.inference_mode():
        held_out = F.cross_entropy(net(images[80:]), labels[80:]).item()
    if best is None or held_out < best[0]:
        best = held_out, copy.deepcopy(net)
    print(epoch, loss.item(), held_out)
torch.save(best[1], "best.pt")
print("end", best[0], net.bn1.running_mean.sum().item(), torch.rand(1).item())
