import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
m = nn.Linear(2, 1)
opt = torch.optim.SGD(m.parameters(), lr=0.9)
for i in range(80):
    x = torch.randn(4, 2)
    l = F.mse_loss(m(x) * 0.7, x.sum(1, keepdim=True) + 0.1 * torch.randn(4, 1))
    opt.zero_grad()
    l.backward()
    opt.step()
