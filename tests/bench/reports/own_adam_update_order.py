import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)


class EMA:
    def __init__(s, m, d):
        s.m = m
        s.d = d
        s.sh = {n: p.clone() for n, p in m.named_parameters()}

    def update(s):
        for n, p in s.m.named_parameters():
            s.sh[n] = s.d * p.data + (1 - s.d) * s.sh[n]  # bug
            # fix: s.sh[n]=(1-s.d)*p.data+s.d*s.sh[n]


m = nn.Linear(5, 1)
o = torch.optim.SGD(m.parameters(), lr=0.1)
e = EMA(m, 0.999)
for s in range(20):
    x = torch.randn(32, 5)
    y = x[:, :1]
    loss = F.mse_loss(m(x), y)
    o.zero_grad()
    loss.backward()
    o.step()
    e.update()
