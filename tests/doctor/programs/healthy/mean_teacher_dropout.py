import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

import copy

f = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
t = copy.deepcopy(f)
t.requires_grad_(False)
o = torch.optim.Adam(f.parameters(), lr=1e-2)
x = torch.randn(32, 6)
y = x[:, :3].argmax(1)
for i in range(15):
    with torch.no_grad():
        q = t(x).softmax(1)
    z = f(x)
    l = F.cross_entropy(z, y) + ((z.softmax(1) - q) ** 2).mean()
    o.zero_grad()
    l.backward()
    o.step()
    with torch.no_grad():
        for a, b in zip(t.parameters(), f.parameters()):
            a.mul_(0.9).add_(b, alpha=0.1)
