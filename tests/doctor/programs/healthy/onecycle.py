import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.Linear(4, 1)
o = torch.optim.SGD(m.parameters(), lr=1e-2, momentum=0.9)
s = torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=50)
x = torch.randn(64, 4)
for e in range(50):
    l = F.mse_loss(m(x), x[:, :1])
    o.zero_grad()
    l.backward()
    o.step()
    s.step()
