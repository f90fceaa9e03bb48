import torch
from torch import nn

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
opt = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(6):
    x = torch.randn(5, 2)
    l = ((m(x) - 1) ** 2).mean()
    for p in m.parameters():
        p.data.mul_(0.5)
    opt.zero_grad()
    l.backward()
    opt.step()
