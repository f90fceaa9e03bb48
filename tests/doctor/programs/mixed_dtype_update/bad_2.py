import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 1).half()
opt = torch.optim.SGD(net.parameters(), lr=1e-5)
x, y = torch.randn(32, 4).half(), torch.randn(32, 1).half()
for i in range(15):
    opt.zero_grad()
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    opt.step()
