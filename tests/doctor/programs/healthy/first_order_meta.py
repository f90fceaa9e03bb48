import torch
from torch import nn

torch.manual_seed(0)
import copy

m = nn.Linear(2, 1)
o = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(6):
    c = copy.deepcopy(m)
    ci = torch.optim.SGD(c.parameters(), lr=0.1)
    for k in range(2):
        x = torch.randn(4, 2)
        l = (c(x) - 1).pow(2).mean()
        ci.zero_grad()
        l.backward()
        ci.step()
    x = torch.randn(4, 2)
    l = (c(x) - 1).pow(2).mean()
    g = torch.autograd.grad(l, list(c.parameters()))
    for p, gg in zip(m.parameters(), g):
        p.grad = gg
    o.step()
