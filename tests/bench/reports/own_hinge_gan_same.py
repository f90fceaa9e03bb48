import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
G = nn.Linear(4, 2)
D = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og = torch.optim.Adam(G.parameters(), lr=1e-3)
od = torch.optim.Adam(D.parameters(), lr=1e-3)
for s in range(30):
    real = torch.randn(32, 2) + 2
    fake = G(torch.randn(32, 4))
    ld = F.relu(1 - D(real)).mean() + F.relu(1 - D(fake.detach())).mean()  # bug
    # fix: ld=F.relu(1-D(real)).mean()+F.relu(1+D(fake.detach())).mean()
    od.zero_grad()
    ld.backward()
    od.step()
    lg = -D(fake).mean()
    og.zero_grad()
    lg.backward()
    og.step()
