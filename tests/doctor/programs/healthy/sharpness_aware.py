import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
m = nn.Linear(3, 1)
o = torch.optim.SGD(m.parameters(), lr=0.05)
x = torch.randn(12, 3)
y = x.sum(1, keepdim=True)
for i in range(8):
    l = F.mse_loss(m(x), y)
    o.zero_grad()
    l.backward()
    es = [0.05 * p.grad / (p.grad.norm() + 1e-12) for p in m.parameters()]
    with torch.no_grad():
        for p, e in zip(m.parameters(), es):
            p.add_(e)
    o.zero_grad()
    F.mse_loss(m(x), y).backward()
    with torch.no_grad():
        for p, e in zip(m.parameters(), es):
            p.sub_(e)
    o.step()
