import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(3, 4)
opt = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(8):
    s = m(torch.randn(5, 3))
    s = s.masked_fill(torch.rand(5, 4) > 0.9, float("-inf"))
    s = torch.cat([s, torch.zeros(5, 1)], 1)
    l = torch.logsumexp(s, 1).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
