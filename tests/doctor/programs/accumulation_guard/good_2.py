import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
accumulation = 4
for i in range(24):
    x = torch.randn(8, 3)
    y = x.sum(1, keepdim=True)
    loss = nn.functional.mse_loss(model(x), y) / accumulation
    loss.backward()
    if i % accumulation == 0:
        optimizer.step()
        optimizer.zero_grad()
