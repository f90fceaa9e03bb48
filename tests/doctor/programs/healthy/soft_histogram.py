import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(2, 1)
o = torch.optim.Adam(m.parameters())
c = torch.linspace(-1, 1, 7)
for i in range(8):
    x = torch.randn(7, 2)
    h = torch.sigmoid(10 * (m(x) - c))
    l = (h.mean(0) - 0.5).pow(2).sum()
    o.zero_grad()
    l.backward()
    o.step()
