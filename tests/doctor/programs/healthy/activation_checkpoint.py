import torch
from torch import nn

torch.manual_seed(0)
from torch.utils.checkpoint import checkpoint

a = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
b = nn.Linear(4, 1)
o = torch.optim.SGD([*a.parameters(), *b.parameters()], lr=0.1)
for i in range(8):
    l = b(checkpoint(a, torch.randn(4, 3), use_reentrant=False)).pow(2).mean()
    o.zero_grad()
    l.backward()
    o.step()
