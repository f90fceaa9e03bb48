import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.Linear(4, 1)
o = torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9)
x = torch.randn(64, 4)
y = x.sum(1, keepdim=True)
for e in range(6):
    for r in torch.randperm(64).split(16):
        o.zero_grad()
        l = F.mse_loss(m(x[r]), y[r])
        l.backward()
        n = nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        o.step()
