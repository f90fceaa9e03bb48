import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Sequential(
    nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2)
)
m.eval()  # bug
# fix: m.train()
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
for s in range(30):
    x = torch.randn(32, 5) * 3
    y = (x[:, 0] > 0).long()
    loss = F.cross_entropy(m(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
