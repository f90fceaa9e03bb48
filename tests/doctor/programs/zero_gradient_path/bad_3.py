import torch
from torch import nn

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1))
with torch.no_grad():
    m[0].weight.mul_(1e5)
    m[0].bias.fill_(1e6)
opt = torch.optim.SGD(m.parameters(), lr=0.1)
x = torch.rand(9, 2)
for i in range(6):
    l = (m(x) - 1).pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
