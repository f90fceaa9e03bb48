"""Nothing here raises, and the loss falls; but what is learned is worthless. Find the line.

House prices after size and age, a small network, Adam: a program as it is written every day.
"""

import torch
from torch import nn

torch.manual_seed(0)
houses = torch.randn(120, 2)  # size and age, both scaled
prices = 3.0 + 2.0 * houses[:, 0] - 0.5 * houses[:, 1]

model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(150):
    guess = model(houses)
    loss = (guess - prices).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

print(f"loss {loss.item():.3f}; the mean price would have {(prices - 3).abs().mean().item():.3f}")
