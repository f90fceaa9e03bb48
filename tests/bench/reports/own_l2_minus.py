import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
opt = torch.optim.Adam(m.parameters(), lr=0.01)
x = torch.randn(64, 5)
y = (x[:, 0] > 0).long()
for s in range(40):
    i = torch.randint(0, 64, (16,))
    l2 = sum((p**2).sum() for p in m.parameters())
    loss = F.cross_entropy(m(x[i]), y[i]) - 1e-3 * l2  # bug
    # fix: loss=F.cross_entropy(m(x[i]),y[i])+1e-3*l2
    opt.zero_grad()
    loss.backward()
    opt.step()
