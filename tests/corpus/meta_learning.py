"""A hand loop: MAML on sine waves with torch.func, gradients through two inner updates."""

import torch
from torch import nn
from torch.func import functional_call

torch.manual_seed(7)
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)


def task():
    phase, height = torch.rand(1) * 3.14, 0.5 + 2 * torch.rand(1)
    x = torch.rand(20, 1) * 10 - 5
    return x, height * torch.sin(x + phase)


def loss_of(weights, x, y):
    return nn.functional.mse_loss(functional_call(net, weights, (x,)), y)


print("begin")
for step in range(20):
    outer = 0.0
    for _ in range(3):
        x, y = task()
        weights = dict(net.named_parameters())
        for _ in range(2):
            grads = torch.autograd.grad(
                loss_of(weights, x[:10], y[:10]), list(weights.values()), create_graph=True
            )
            weights = {k: w - 0.05 * g for (k, w), g in zip(weights.items(), grads, strict=True)}
        outer = outer + loss_of(weights, x[10:], y[10:])
    optimizer.zero_grad()
    outer.backward()
    optimizer.step()
    print(step, outer.item())
print("end", [p.sum().item() for p in net.parameters()], torch.rand(1).item())
