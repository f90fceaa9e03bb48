import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for group in optimizer.param_groups:
    group["lr"] = 0.0
x = torch.randn(10, 2)
y = x.sum(1, keepdim=True)
for step in range(12):
    for group in optimizer.param_groups:
        group["lr"] = 0.01 * step
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
