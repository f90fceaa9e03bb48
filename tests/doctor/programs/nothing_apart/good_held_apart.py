"""Two views without a detached side: their spread, or another task, holds the outputs apart."""

import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 8))
head = nn.Linear(8, 3)
optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.05)
for step in range(8):
    base = torch.randn(32, 12)
    one, other = (encoder(base + 0.2 * torch.randn(32, 12)) for _ in range(2))
    alike = ((one - other) ** 2).mean()
    if step < 4:
        spread = torch.relu(1 - one.std(0)).mean() + torch.relu(1 - other.std(0)).mean()
        loss = alike + spread
    else:
        loss = alike + ((head(one) - base[:, :3]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
