import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.GRU(3, 8)
h = nn.Linear(8, 1)
o = torch.optim.Adam([*m.parameters(), *h.parameters()], lr=1e-2)
x = torch.randn(9, 3)
y = x.sum(1, keepdim=True)
for i in range(10):
    z, _ = m(x)
    l = F.mse_loss(h(z), y)
    o.zero_grad()
    l.backward()
    o.step()
