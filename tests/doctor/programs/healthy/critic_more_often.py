import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

g = nn.Linear(3, 2)
c = nn.Linear(2, 1)
og = torch.optim.Adam(g.parameters(), lr=1e-3)
oc = torch.optim.Adam(c.parameters(), lr=1e-3)
for i in range(20):
    real = torch.randn(8, 2) + 1
    fake = g(torch.randn(8, 3))
    lc = c(fake.detach()).mean() - c(real).mean()
    oc.zero_grad()
    lc.backward()
    oc.step()
    for p in c.parameters():
        p.data.clamp_(-0.1, 0.1)
    if i % 5 == 4:
        lg = -c(g(torch.randn(8, 3))).mean()
        og.zero_grad()
        lg.backward()
        og.step()
