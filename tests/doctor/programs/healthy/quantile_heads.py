import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Linear(6, 3)
o = torch.optim.Adam(f.parameters(), lr=1e-2)
x = torch.randn(32, 6)
q = torch.tensor([0.1, 0.5, 0.9])
for i in range(15):
    e = x[:, :1] - f(x)
    l = torch.max(q * e, (q - 1) * e).mean()
    o.zero_grad()
    l.backward()
    o.step()
