import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class Vic(nn.Module):
    def forward(s, a, b):
        a = a - a.mean(0)
        b = b - b.mean(0)
        return F.mse_loss(a, b) + F.relu(1 - (a.var(0) + 1e-4).sqrt()).mean()


f = nn.Linear(6, 4)
v = Vic()
o = torch.optim.Adam(f.parameters(), lr=1e-2)
x = torch.randn(20, 6)
for e in range(12):
    l = v(f(x), f(x + 0.1 * torch.randn_like(x)))
    o.zero_grad()
    l.backward()
    o.step()
