import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

import copy

x = torch.randn(64, 4)
m = nn.Linear(4, 1)
start = copy.deepcopy(m.state_dict())
for lr in (0.1, 0.01, 0.001):
    m.load_state_dict(start)
    o = torch.optim.SGD(m.parameters(), lr=lr)
    for e in range(6):
        l = F.mse_loss(m(x), x[:, :1])
        o.zero_grad()
        l.backward()
        o.step()
