import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
e = nn.Linear(8, 6)
d = nn.Linear(6, 8)
o = torch.optim.Adam([*e.parameters(), *d.parameters()], lr=1e-2)
for s in range(20):
    x = torch.randn(32, 8)
    p = F.softmax(e(x), 1)  # bug
    # fix: p=e(x)
    z = F.gumbel_softmax(p, tau=1.0)
    loss = F.mse_loss(d(z), x)
    o.zero_grad()
    loss.backward()
    o.step()
