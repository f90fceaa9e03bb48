import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.GRU(3, 8, batch_first=True)
h = nn.Linear(8, 2)
o = torch.optim.Adam([*m.parameters(), *h.parameters()], lr=1e-2)
x = torch.randn(20, 6, 3)
y = (x[:, 0, 0] > 0).long()
for i in range(10):
    z, _ = m(x)
    l = F.cross_entropy(h(z[:, -1]), y)
    o.zero_grad()
    l.backward()
    o.step()
