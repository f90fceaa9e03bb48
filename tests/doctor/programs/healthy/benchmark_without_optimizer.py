import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(3, 3)
for i in range(10):
    m.zero_grad()
    m(torch.randn(4, 3)).sum().backward()
