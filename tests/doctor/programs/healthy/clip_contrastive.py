import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

a, b = nn.Linear(6, 4), nn.Linear(5, 4)
o = torch.optim.Adam([*a.parameters(), *b.parameters()], lr=1e-2)
x, y = torch.randn(16, 6), torch.randn(16, 5)
for i in range(15):
    s = F.normalize(a(x), dim=1) @ F.normalize(b(y), dim=1).T / 0.1
    t = torch.arange(16)
    l = (F.cross_entropy(s, t) + F.cross_entropy(s.T, t)) / 2
    o.zero_grad()
    l.backward()
    o.step()
