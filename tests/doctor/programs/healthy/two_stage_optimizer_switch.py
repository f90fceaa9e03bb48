import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
x, y = torch.randn(30, 2), torch.randn(30, 1)
adam = torch.optim.Adam(net.parameters(), lr=0.01)
for i in range(15):
    adam.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    adam.step()
sgd = torch.optim.SGD(net.parameters(), lr=0.01)
for i in range(15):
    sgd.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    sgd.step()
