import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
o = torch.optim.AdamW(m.parameters(), lr=0.01)
x = torch.randn(64, 4)
for e in range(12):
    o.zero_grad()
    z = m(x)
    F.mse_loss(z[:, :1], x[:, :1]).backward(retain_graph=True)
    F.l1_loss(z[:, 1:], x[:, 1:2]).backward()
    nn.utils.clip_grad_value_(m.parameters(), 0.5)
    o.step()
