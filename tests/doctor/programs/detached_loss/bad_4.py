import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(2, 2)
opt = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(6):
    x = torch.randn(5, 2)
    y = (x[:, 0] > 0).long()
    pred = m(x).argmax(1)
    loss = (pred != y).float().mean()
    loss.requires_grad_()
    opt.zero_grad()
    loss.backward()
    opt.step()
