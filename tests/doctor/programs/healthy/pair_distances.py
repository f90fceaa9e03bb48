import torch
from torch import nn

torch.manual_seed(0)
e = nn.Linear(4, 3)
o = torch.optim.SGD(e.parameters(), lr=0.1)
for i in range(8):
    a = torch.randn(5, 4)
    z = e(a)
    d = (z[:, None] - z[None]).pow(2).sum(-1)
    l = torch.relu(d - 1).mean()
    o.zero_grad()
    l.backward()
    o.step()
