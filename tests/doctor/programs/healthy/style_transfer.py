import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
img = torch.randn(1, 6, requires_grad=True)
goal = torch.randn(1, 3)
opt = torch.optim.Adam([img], lr=1e-1)
for e in range(20):
    loss = F.mse_loss(net(img), goal)
    opt.zero_grad()
    loss.backward()
    opt.step()
