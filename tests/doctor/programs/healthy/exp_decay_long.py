import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Linear(4, 1)
o = torch.optim.SGD(f.parameters(), lr=0.1)
s = torch.optim.lr_scheduler.ExponentialLR(o, 0.9)
x = torch.randn(20, 4)
for i in range(60):
    l = F.mse_loss(f(x), x[:, :1])
    o.zero_grad()
    l.backward()
    o.step()
    s.step()
