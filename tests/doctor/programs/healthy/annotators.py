import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Linear(6, 1)
o = torch.optim.Adam(f.parameters(), lr=1e-2)
x = torch.randn(32, 6)
q = torch.tensor([0.1, 0.5, 0.9])
for i in range(15):
    w = f(x)
    l = torch.stack([torch.max(t * (x[:, :1] - w), (t - 1) * (x[:, :1] - w)) for t in q]).mean()
    o.zero_grad()
    l.backward()
    o.step()
