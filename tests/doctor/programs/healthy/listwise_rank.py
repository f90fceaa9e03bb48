import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Linear(5, 1)
o = torch.optim.Adam(f.parameters(), lr=1e-2)
for i in range(12):
    x = torch.randn(8, 5)
    rel = torch.rand(8).softmax(0)
    l = -(rel * f(x).squeeze(1).log_softmax(0)).sum()
    o.zero_grad()
    l.backward()
    o.step()
