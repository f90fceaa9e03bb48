"""Sharpness-aware steps: up along the gradient, back, and down; statistics in the first pass."""

import torch
from torch import nn

torch.manual_seed(0)


class Sharpness(torch.optim.Optimizer):
    def __init__(self, params, base, rho=0.05, **settings):
        super().__init__(params, {"rho": rho, **settings})
        self.base_optimizer = base(self.param_groups, **settings)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def climb(self):
        size = torch.stack([p.grad.norm() for g in self.param_groups for p in g["params"]]).norm()
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["old"] = p.data.clone()
                p.add_(p.grad * (group["rho"] / (size + 1e-12)))
        self.zero_grad()

    @torch.no_grad()
    def descend(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["old"]
        self.base_optimizer.step()
        self.zero_grad()


def statistics(model, momentum):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = momentum


model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
optimizer = Sharpness(model.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)
x = torch.randn(64, 6)
y = x[:, :3].argmax(1)
for step in range(30):
    statistics(model, 0.1)
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.climb()
    statistics(model, 0)
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.descend()
    if step % 10 == 0:
        print(step, loss.item())
