import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

import copy

f = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))
p = nn.Linear(8, 8)
t = copy.deepcopy(f)
t.requires_grad_(False)
o = torch.optim.Adam([*f.parameters(), *p.parameters()], lr=1e-3)
x = torch.randn(32, 6)
for i in range(15):
    with torch.no_grad():
        z = t(x + 0.1 * torch.randn_like(x))
    l = 2 - 2 * F.cosine_similarity(p(f(x + 0.1 * torch.randn_like(x))), z).mean()
    o.zero_grad()
    l.backward()
    o.step()
    with torch.no_grad():
        for a, b in zip(t.parameters(), f.parameters()):
            a.lerp_(b, 0.01)
