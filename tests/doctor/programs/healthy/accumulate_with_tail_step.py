import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.Linear(4, 1)
o = torch.optim.SGD(m.parameters(), lr=0.01)
x = torch.randn(70, 4)
y = x.sum(1, keepdim=True)
for e in range(3):
    b = list(torch.randperm(70).split(10))
    for i, r in enumerate(b):
        (F.mse_loss(m(x[r]), y[r]) / 3).backward()
        if (i + 1) % 3 == 0 or i + 1 == len(b):
            nn.utils.clip_grad_norm_(m.parameters(), 1.0)
            o.step()
            o.zero_grad()
