import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Linear(6, 2)
o = torch.optim.SGD(f.parameters(), lr=0.1)
x = torch.randn(32, 6)
y = (x[:, 0] > 0).long()
tot = 0.0
for i in range(24):
    z = f(x)
    l = F.cross_entropy(z, y)
    tot += l.item()
    acc = (z.argmax(1) == y).float().mean()
    o.zero_grad()
    l.backward()
    o.step()
    if i % 5 == 0:
        print(acc.item(), tot)
