import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class D(nn.Module):
    def __init__(s):
        super().__init__()
        s.a = nn.Linear(4, 8)
        s.b = nn.Linear(8, 1)

    def forward(s, x):
        h = torch.relu(s.a(x))
        return s.b(h - h.mean(1, keepdim=True)).mean(1)


f = D()
o = torch.optim.Adam(f.parameters(), lr=1e-2)
x = torch.randn(12, 7, 4)
y = x.sum((1, 2)).unsqueeze(1)
for i in range(12):
    l = F.mse_loss(f(x), y)
    o.zero_grad()
    l.backward()
    o.step()
