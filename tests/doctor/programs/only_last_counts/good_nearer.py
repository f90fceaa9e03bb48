"""The last of several refinements is judged, and nothing else is meant."""

import torch
from torch import nn

torch.manual_seed(0)
net, start = nn.Linear(8, 4), nn.Linear(4, 4)
optimizer = torch.optim.Adam([*net.parameters(), *start.parameters()], lr=0.01)
for _ in range(6):
    x = torch.randn(32, 4)
    target = x.flip(1)
    guess = start(x)
    for turn in range(3):
        guess = guess + net(torch.cat([x, guess], 1))
        loss = nn.functional.mse_loss(guess, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
