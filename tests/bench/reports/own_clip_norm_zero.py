import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Linear(5, 1)
o = torch.optim.SGD(m.parameters(), lr=0.1)
for s in range(20):
    x = torch.randn(32, 5)
    y = x[:, :1]
    loss = F.mse_loss(m(x), y)
    o.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(m.parameters(), 0)  # bug
    # fix: nn.utils.clip_grad_norm_(m.parameters(),1.0)
    o.step()
