import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

a = torch.rand(10, 10).softmax(1)
f = nn.Linear(5, 8)
g = nn.Linear(8, 2)
o = torch.optim.Adam([*f.parameters(), *g.parameters()], lr=1e-2)
x = torch.randn(10, 5)
y = (x[:, 0] > 0).long()
for i in range(12):
    l = F.cross_entropy(g(a @ torch.relu(f(a @ x))), y)
    o.zero_grad()
    l.backward()
    o.step()
