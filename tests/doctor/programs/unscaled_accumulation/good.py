import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(64, 3), torch.randn(64, 1)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
accumulate = 4

optimizer.zero_grad()
for i in range(48):
    k = (i * 8) % 64
    loss = nn.functional.mse_loss(model(x[k : k + 8]), y[k : k + 8])
    (loss / accumulate).backward()
    if (i + 1) % accumulate == 0:
        optimizer.step()
        optimizer.zero_grad()
