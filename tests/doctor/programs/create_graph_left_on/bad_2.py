import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
opt = torch.optim.RMSprop(net.parameters(), lr=0.01)
x, y = torch.randn(25, 2), torch.randn(25, 1)


def step():
    opt.zero_grad()
    loss = nn.functional.mse_loss(net(x), y)
    loss.backward(retain_graph=True, create_graph=True)
    opt.step()
    return loss.item()


for i in range(10):
    step()
