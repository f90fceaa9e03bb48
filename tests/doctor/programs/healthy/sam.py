import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
o = torch.optim.SGD(f.parameters(), lr=1e-1)
x = torch.randn(32, 6)
y = x[:, :3].argmax(1)
for i in range(12):
    F.cross_entropy(f(x), y).backward()
    ps = list(f.parameters())
    n = torch.stack([p.grad.norm() for p in ps]).norm()
    es = [p.grad * 0.05 / n for p in ps]
    with torch.no_grad():
        for p, e in zip(ps, es):
            p.add_(e)
    o.zero_grad()
    F.cross_entropy(f(x), y).backward()
    with torch.no_grad():
        for p, e in zip(ps, es):
            p.sub_(e)
    o.step()
    o.zero_grad()
