import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
o = torch.optim.SGD(f.parameters(), lr=1e-1)
x = torch.randn(32, 6)
y = x[:, :3].argmax(1)
for i in range(12):
    f.eval()
    d = torch.zeros_like(x, requires_grad=True)
    F.cross_entropy(f(x + d), y).backward()
    adv = (x + 0.1 * d.grad.sign()).detach()
    f.train()
    l = F.cross_entropy(f(adv), y)
    o.zero_grad()
    l.backward()
    o.step()
