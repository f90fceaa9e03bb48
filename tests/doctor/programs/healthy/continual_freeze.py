import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

a, h = nn.Linear(6, 8), nn.Linear(8, 2)
o = torch.optim.Adam([*a.parameters(), *h.parameters()], lr=1e-2, weight_decay=1e-2)
x = torch.randn(32, 6)
y = (x[:, 0] > 0).long()
for i in range(24):
    if i == 12:
        a.requires_grad_(False)
    l = F.cross_entropy(h(torch.tanh(a(x))), y)
    o.zero_grad()
    l.backward()
    o.step()
