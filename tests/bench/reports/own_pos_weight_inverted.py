import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
y = torch.tensor([0.0] * 180 + [1.0] * 20)[:, None]
x = torch.randn(200, 5) + y
pw = (y.sum() / (1 - y).sum()).view(1)  # bug
# fix: pw=((1-y).sum()/y.sum()).view(1)
crit = nn.BCEWithLogitsLoss(pos_weight=pw)
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
for e in range(5):
    for i in torch.randperm(200).split(50):
        loss = crit(m(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
