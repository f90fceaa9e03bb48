import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.randn(10, 2)
for i in range(5):
    out = net(x)
    loss_a = out[:, 0].pow(2).mean()
    loss_b = out[:, 1].pow(2).mean()
    opt.zero_grad()
    loss_a.backward()
    loss_b.backward()
    opt.step()
