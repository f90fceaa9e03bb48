# Healthy: domain-adversarial training, the reversal Function negates the gradient and its strength grows from 0; domain loss rises by design
import math

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(3)


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.strength * grad, None


features = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
label_head, domain_head = (
    nn.Linear(16, 2),
    nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)),
)
modules = nn.ModuleList([features, label_head, domain_head])
optimizer = torch.optim.Adam(modules.parameters(), lr=2e-3)
direction = torch.randn(8)


def batch(n, shift):
    x = torch.randn(n, 8)
    y = (x @ direction > 0).long()
    return x + shift * torch.linspace(-1, 1, 8), y


total = 300
for step in range(total):
    strength = 2 / (1 + math.exp(-10 * step / total)) - 1
    xs, ys = batch(48, 0.0)
    xt, yt = batch(48, 1.0)
    f = features(torch.cat([xs, xt]))
    task = F.cross_entropy(label_head(f[:48]), ys)
    domain = F.binary_cross_entropy_with_logits(
        domain_head(Reverse.apply(f, strength)).squeeze(1),
        torch.cat([torch.zeros(48), torch.ones(48)]),
    )
    loss = task + domain
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 60 == 59:
        acc = (label_head(features(xt)).argmax(1) == yt).float().mean().item()
        print(
            f"step {step + 1} strength {strength:.2f} task {task.item():.4f} domain {domain.item():.4f} target acc {acc:.3f}"
        )
