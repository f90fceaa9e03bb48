# Healthy: a pretrained backbone is frozen on purpose and kept in eval; only a linear probe learns
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(1)
rule = torch.randn(3, 12)


def data(n):
    x = torch.randn(n, 12)
    return x, (x @ rule.t()).argmax(1)


backbone = nn.Sequential(
    nn.Linear(12, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()
)
aux = nn.Linear(32, 12)
opt = torch.optim.Adam([*backbone.parameters(), *aux.parameters()], lr=3e-3)
for _ in range(80):
    x, _ = data(64)
    loss = F.mse_loss(aux(backbone(x)), x)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(f"pretext loss {loss.item():.4f}")

backbone.eval().requires_grad_(False)
probe = nn.Linear(32, 3)
params = list(backbone.parameters()) + list(probe.parameters())
optimizer = torch.optim.SGD([p for p in params if p.requires_grad], lr=0.3, momentum=0.9)
for step in range(150):
    x, y = data(64)
    loss = F.cross_entropy(probe(backbone(x)), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 30 == 29:
        x, y = data(500)
        print(
            f"step {step + 1} loss {loss.item():.4f} acc {(probe(backbone(x)).argmax(1) == y).float().mean().item():.3f}"
        )
