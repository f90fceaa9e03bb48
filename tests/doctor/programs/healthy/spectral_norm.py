import torch
from torch import nn

torch.manual_seed(0)
m = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
o = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(8):
    l = m(torch.randn(4, 3)).pow(2).mean()
    o.zero_grad()
    l.backward()
    o.step()
