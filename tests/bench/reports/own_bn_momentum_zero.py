import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
norm = nn.BatchNorm1d(16, momentum=0.0)  # bug
# fix: norm = nn.BatchNorm1d(16, momentum=0.1)
m = nn.Sequential(nn.Linear(5, 16), norm, nn.ReLU(), nn.Linear(16, 2))
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
for s in range(30):
    m.train()
    x = torch.randn(32, 5) * 3
    y = (x[:, 0] > 0).long()
    loss = F.cross_entropy(m(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
m.eval()
print(m(torch.randn(4, 5)))
