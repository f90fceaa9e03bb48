import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1), nn.Sigmoid())
opt = torch.optim.Adam(m.parameters(), lr=0.01)


def dice(p, t):
    inter = (p * t).sum((1, 2, 3))
    return ((2 * inter + 1) / (p.sum((1, 2, 3)) + t.sum((1, 2, 3)) + 1)).mean()


for s in range(30):
    x = torch.randn(8, 1, 8, 8)
    t = (x > 0).float()
    loss = dice(m(x), t)  # bug
    # fix: loss=1-dice(m(x),t)
    opt.zero_grad()
    loss.backward()
    opt.step()
