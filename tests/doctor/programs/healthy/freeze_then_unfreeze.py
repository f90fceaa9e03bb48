import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

b = nn.Linear(6, 8)
h = nn.Linear(8, 2)
b.requires_grad_(False)
o = torch.optim.Adam(
    [{"params": b.parameters(), "lr": 1e-4}, {"params": h.parameters(), "lr": 1e-2}]
)
x = torch.randn(32, 6)
y = (x[:, 0] > 0).long()
for i in range(20):
    if i == 10:
        b.requires_grad_(True)
    l = F.cross_entropy(h(torch.relu(b(x))), y)
    o.zero_grad()
    l.backward()
    o.step()
