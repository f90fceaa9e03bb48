# Healthy: magnitude pruning with rewinding; pruned weights stay 0 by masks on gradients and weights, so many gradients are exactly 0
import copy

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(13)
teacher = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 3))


def data(n):
    x = torch.randn(n, 10)
    with torch.no_grad():
        return x, (5 * teacher(2 * x)).argmax(1)


def train(model, masks, steps=120):
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        x, y = data(64)
        loss = F.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        for name, p in model.named_parameters():
            if name in masks:
                p.grad.mul_(masks[name])
        opt.step()
    return loss.item()


model = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 3))
start = copy.deepcopy(model.state_dict())
masks = {n: torch.ones_like(p) for n, p in model.named_parameters() if p.dim() == 2}
for rnd in range(4):
    loss = train(model, masks)
    x, y = data(1000)
    acc = (model(x).argmax(1) == y).float().mean().item()
    left = sum(m.sum() for m in masks.values()) / sum(m.numel() for m in masks.values())
    print(f"round {rnd} weights left {left.item():.2f} loss {loss:.4f} acc {acc:.3f}")
    with torch.no_grad():
        for n, p in model.named_parameters():
            if n in masks:
                alive = p[masks[n].bool()].abs()
                masks[n] *= (p.abs() > alive.quantile(0.35)).float()
        model.load_state_dict(start)
        for n, p in model.named_parameters():
            if n in masks:
                p.mul_(masks[n])
