import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Linear(6, 2)
o = torch.optim.SGD(f.parameters(), lr=0.1)
s = torch.optim.lr_scheduler.MultiStepLR(o, [30, 60, 90])
x = torch.randn(64, 6)
y = (x[:, 0] > 0).long()
for e in range(25):
    for r in torch.randperm(64).split(16):
        l = F.cross_entropy(f(x[r]), y[r])
        o.zero_grad()
        l.backward()
        o.step()
    s.step()
