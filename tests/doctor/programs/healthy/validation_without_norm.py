# no dropout, no batch norm: train() and eval() would change nothing
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
x, y, xv, yv = torch.randn(40, 3), torch.randn(40, 1), torch.randn(10, 3), torch.randn(10, 1)
for epoch in range(12):
    opt.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
    with torch.no_grad():
        print(epoch, nn.functional.mse_loss(net(xv), yv).item())
