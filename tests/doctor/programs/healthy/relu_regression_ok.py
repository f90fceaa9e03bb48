import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.ReLU())
o = torch.optim.Adam(f.parameters(), lr=1e-2)
x = torch.randn(32, 6)
y = x[:, :1].abs()
for i in range(15):
    l = F.mse_loss(f(x), y)
    o.zero_grad()
    l.backward()
    o.step()
