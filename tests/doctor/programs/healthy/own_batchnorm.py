import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class Bn(nn.Module):
    def __init__(s):
        super().__init__()
        s.w = nn.Parameter(torch.ones(8))
        s.l = nn.Linear(6, 8)
        s.o = nn.Linear(8, 2)

    def forward(s, x):
        h = s.l(x)
        h = (h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt() * s.w
        return s.o(torch.relu(h))


m = Bn()
o = torch.optim.Adam(m.parameters(), lr=1e-2)
x = torch.randn(20, 6)
y = (x[:, 0] > 0).long()
for i in range(15):
    l = F.cross_entropy(m(x), y)
    o.zero_grad()
    l.backward()
    o.step()
