import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.Linear(4, 1)
o = torch.optim.SGD(m.parameters(), lr=1e-1)
s = torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=3, factor=0.5)
x = torch.randn(64, 4)
for e in range(60):
    l = F.mse_loss(m(x), x[:, :1] + 0.1 * torch.randn(64, 1))
    o.zero_grad()
    l.backward()
    o.step()
    s.step(l.item())
