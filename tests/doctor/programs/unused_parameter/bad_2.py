import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)


class N(nn.Module):
    def __init__(s):
        super().__init__()
        s.a = nn.Conv2d(1, 2, 3)
        s.bn = nn.BatchNorm2d(2)
        s.f = nn.Linear(2, 2)

    def forward(s, x):
        return s.f(F.relu(s.a(x)).mean((2, 3)))


n = N()
opt = torch.optim.Adam(n.parameters())
for i in range(5):
    l = F.cross_entropy(n(torch.randn(3, 1, 5, 5)), torch.tensor([0, 1, 0]))
    opt.zero_grad()
    l.backward()
    opt.step()
