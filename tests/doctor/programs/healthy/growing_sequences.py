import torch
from torch import nn

torch.manual_seed(0)
r = nn.RNN(2, 3)
opt = torch.optim.SGD(r.parameters(), lr=0.1)
for i in range(12):
    x = torch.randn(2 + i, 1, 2)
    h = torch.zeros(1, 1, 3)
    cell = 0
    for t in range(2 + i):
        o, h = r(x[t : t + 1], h)
    l = h.pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
