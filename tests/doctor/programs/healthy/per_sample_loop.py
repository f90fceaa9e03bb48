import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.LSTM(4, 8, batch_first=True)
g = nn.Linear(8, 2)
o = torch.optim.Adam([*f.parameters(), *g.parameters()], lr=1e-2)
x = torch.randn(6, 5, 4)
y = (x[:, 0, 0] > 0).long()
for i in range(8):
    l = 0
    for a, b in zip(x, y):
        h, _ = f(a.unsqueeze(0))
        l = l + F.cross_entropy(g(h[:, -1]), b.unsqueeze(0))
    l = l / 6
    o.zero_grad()
    l.backward()
    o.step()
