import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(3, 4)
o = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(5):
    s = m(torch.randn(2, 3))
    mask = torch.tensor([[True] * 4, [False] * 4])
    s = s.masked_fill(mask, float("-inf"))
    l = torch.softmax(s, 1).pow(2).sum()
    o.zero_grad()
    l.backward()
    o.step()
