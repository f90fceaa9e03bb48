"""Solve a differential equation with a network: u'' + u = 0, u(0) = 0, u'(0) = 1, so u = sin t.

The loss holds derivatives of the network by its *input*, taken with ``create_graph=True``: the
backward of the loss goes through a backward that is itself part of the graph.
"""

import torch
from torch import nn

torch.manual_seed(0)
t = torch.linspace(0, 3, 40).unsqueeze(1).requires_grad_()
network = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)


def derivative(u):
    return torch.autograd.grad(u.sum(), t, create_graph=True)[0]


for _ in range(400):
    u = network(t)
    slope = derivative(u)
    equation = (derivative(slope) + u).pow(2).mean()
    start = u[0].pow(2).sum() + (slope[0] - 1).pow(2).sum()
    loss = equation + start
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

error = (network(t) - t.sin()).abs().max().item()
print(f"loss {loss.item():.5f}, at most {error:.3f} away from the sine")
