import copy

import torch
from torch import nn

torch.manual_seed(304)
model = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 1))
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(64, 5)
y = x[:, :1] * x[:, 1:2]
decay = 0.95
for step in range(40):
    rows = torch.randperm(64)[:16]
    loss = nn.functional.mse_loss(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for kept, now in zip(average.parameters(), model.parameters(), strict=True):
            gap = kept - now
            kept.add_(gap * (1 - decay))  # bug
            # fix: kept.sub_(gap * (1 - decay))
with torch.no_grad():
    print(loss.item(), nn.functional.mse_loss(average(x), y).item())
