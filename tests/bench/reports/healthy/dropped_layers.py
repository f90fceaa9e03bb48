import random
import torch
from torch import nn


class Res(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.a, self.b = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x):
        return x + self.b(torch.relu(self.a(x)))


class Tower(nn.Module):
    def __init__(self, d=24, depth=6, keep=0.6):
        super().__init__()
        self.first, self.last = nn.Linear(8, d), nn.Linear(d, 1)
        self.blocks = nn.ModuleList(Res(d) for _ in range(depth))
        self.keep = keep

    def forward(self, x):
        x = self.first(x)
        for b in self.blocks:
            if self.training and random.random() > self.keep:
                continue
            y = b(x)
            x = y if self.training else x + self.keep * (y - x)
        return self.last(x).squeeze(1)


random.seed(5)
torch.manual_seed(5)
net = Tower()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(80):
    x = torch.randn(64, 8)
    y = x[:, 0] * x[:, 1] + x[:, 2]
    loss = (net(x) - y).pow(2).mean()
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    if step % 20 == 19:
        print(
            step,
            round(loss.item(), 4),
            "blocks without gradient:",
            sum(b.a.weight.grad is None for b in net.blocks),
        )
