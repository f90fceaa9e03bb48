import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
G = nn.Linear(2, 1)
D = nn.Linear(1, 1)
og = torch.optim.Adam(G.parameters())
od = torch.optim.Adam(D.parameters())
for i in range(10):
    f = G(torch.randn(4, 2))
    ld = F.softplus(-D(torch.randn(4, 1))).mean() + F.softplus(D(f.detach())).mean()
    ld.backward()
    od.step()
    og.zero_grad()
    lg = F.softplus(-D(f)).mean()
    lg.backward()
    og.step()
