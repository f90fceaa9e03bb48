import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

g = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
d = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
og = torch.optim.Adam(g.parameters(), lr=1e-3)
od = torch.optim.Adam(d.parameters(), lr=1e-3)
bce = nn.BCEWithLogitsLoss()
for i in range(25):
    real = torch.randn(16, 2) + 2
    fake = g(torch.randn(16, 3))
    od.zero_grad()
    l1 = bce(d(real), torch.ones(16, 1))
    l1.backward()
    l2 = bce(d(fake.detach()), torch.zeros(16, 1))
    l2.backward()
    od.step()
    og.zero_grad()
    gl = bce(d(fake), torch.ones(16, 1))
    gl.backward()
    og.step()
