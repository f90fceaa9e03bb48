"""One update from four small batches: what a large batch would give, in a quarter of the memory.

Each backward adds to ``.grad``; each loss is divided by four, so that the sum is the mean.
"""

import torch
from torch import nn

PARTS = 4

torch.manual_seed(0)
x = torch.randn(64, 2)
y = x @ torch.tensor([[2.0], [-1.0]]) + 0.1 * torch.randn(64, 1)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)

for step in range(12):
    optimizer.zero_grad()
    for part in torch.randperm(64).chunk(PARTS):
        loss = nn.functional.mse_loss(model(x[part]), y[part]) / PARTS
        loss.backward()
    optimizer.step()

print(f"weights {model.weight.tolist()[0]}, bias {model.bias.item():.3f}")
