import torch
from torch import nn

torch.manual_seed(0)
a = nn.Parameter(torch.randn(4, 2) * 0.1)
b = nn.Parameter(torch.zeros(2, 4))
base = torch.randn(4, 4)
optimizer = torch.optim.Adam([a, b], lr=0.01)
for i in range(10):
    x = torch.randn(6, 4)
    loss = (x @ (base + a @ b) - x.flip(1)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
