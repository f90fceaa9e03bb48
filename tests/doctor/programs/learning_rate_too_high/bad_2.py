import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.SGD(m.parameters(), lr=5.0)
x = torch.randn(30, 2)
y = x.sum(1, keepdim=True) * 3
for i in range(30):
    l = F.mse_loss(m(x), y)
    opt.zero_grad()
    l.backward()
    opt.step()
