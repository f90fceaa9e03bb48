import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

a, b = nn.Linear(6, 8), nn.Linear(8, 2)
oa = torch.optim.SGD(a.parameters(), lr=0.1, momentum=0.9)
ob = torch.optim.SGD(b.parameters(), lr=0.1, momentum=0.9)
x = torch.randn(32, 6)
y = (x[:, 0] > 0).long()
for i in range(24):
    l = F.cross_entropy(b(torch.tanh(a(x))), y)
    a.zero_grad()
    b.zero_grad()
    l.backward()
    (oa if i % 2 else ob).step()
