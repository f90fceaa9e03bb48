import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
m = nn.Linear(3, 1)
opt = torch.optim.SGD(m.parameters(), lr=1e-6)
x = torch.randn(20, 3)
y = x.sum(1, keepdim=True)
for i in range(40):
    l = F.mse_loss(m(x), y)
    opt.zero_grad()
    l.backward()
    opt.step()
    for g in opt.param_groups:
        g["lr"] *= 1.3
