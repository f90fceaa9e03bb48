import torch
from torch import nn

torch.manual_seed(0)
import copy

m = nn.Linear(2, 1)
o = torch.optim.Adam(m.parameters())
m = copy.deepcopy(m)
x = torch.randn(7, 2)
for i in range(8):
    o.zero_grad()
    l = (m(x) - 2).abs().mean()
    l.backward()
    o.step()
