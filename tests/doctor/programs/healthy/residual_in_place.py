import torch
from torch import nn

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 4))
opt = torch.optim.SGD(m.parameters(), lr=0.05)
for i in range(8):
    x = torch.randn(6, 4)
    h = m(x)
    h += x
    l = h.pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
