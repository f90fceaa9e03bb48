import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(3, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(4):
    h = torch.sigmoid(net(torch.randn(5, 3)))
    h += 1
    loss = h.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
