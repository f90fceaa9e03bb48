import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
D = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.LeakyReLU(), nn.Flatten(), nn.Linear(8 * 36, 1))
od = torch.optim.Adam(D.parameters(), lr=1e-3)
for s in range(10):
    real = torch.randn(8, 3, 6, 6) + 1
    fake = torch.randn(8, 3, 6, 6)
    a = torch.rand(8, 1, 1, 1)
    h = (a * real + (1 - a) * fake).requires_grad_(True)
    g = torch.autograd.grad(D(h).sum(), h, create_graph=True)[0]
    gp = ((g.norm(2, dim=1) - 1) ** 2).mean()  # bug
    # fix: gp=((g.flatten(1).norm(2,dim=1)-1)**2).mean()
    ld = D(fake).mean() - D(real).mean() + 10 * gp
    od.zero_grad()
    ld.backward()
    od.step()
