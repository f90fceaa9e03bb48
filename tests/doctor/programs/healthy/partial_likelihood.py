import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(4, 1)
o = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(8):
    x = torch.randn(6, 4)
    t = torch.rand(6)
    r = m(x).squeeze(1)
    atrisk = (t[None] >= t[:, None]).float()
    l = -(r - torch.log((atrisk * r.exp()[None]).sum(1))).mean()
    o.zero_grad()
    l.backward()
    o.step()
