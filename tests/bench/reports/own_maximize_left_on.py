import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.SGD(m.parameters(), lr=0.01, maximize=True)  # bug
# fix: opt=torch.optim.SGD(m.parameters(),lr=0.01)
x = torch.randn(64, 5)
y = x[:, :1] * 2
for s in range(40):
    loss = F.mse_loss(m(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
