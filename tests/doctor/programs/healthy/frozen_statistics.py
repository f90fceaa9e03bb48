import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
b = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
h = nn.Linear(4, 2)
b.eval()
o = torch.optim.SGD([*b.parameters(), *h.parameters()], lr=0.1)
for i in range(8):
    l = F.cross_entropy(h(b(torch.randn(6, 3))), torch.randint(0, 2, (6,)))
    o.zero_grad()
    l.backward()
    o.step()
