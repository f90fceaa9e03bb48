"""Weights of tasks, of a batch as a whole, and of samples in time."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Linear(6, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
shares = torch.tensor([1.0, 0.5, 0.25])
for _ in range(6):
    x, y, trust = torch.randn(30, 6), torch.randint(0, 4, (30,)), torch.rand(30)
    scores = net(x)
    tasks = torch.stack([F.cross_entropy(scores[i::3], y[i::3]) for i in range(3)])
    each = F.cross_entropy(scores, y, reduction="none")
    loss = (tasks * shares).sum() + (each * trust).sum() / trust.sum()
    loss = loss * (trust.mean() / trust.mean())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
