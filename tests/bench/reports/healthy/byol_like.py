# Healthy: BYOL; the teacher has no gradient and moves by EMA after each step, its decay is scheduled up to 1
import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(8)
classes = 2 * torch.randn(5, 16)


def views(n):
    y = torch.randint(0, 5, (n,))
    x = classes[y] + 0.3 * torch.randn(n, 16)
    return x + 0.4 * torch.randn_like(x), x + 0.4 * torch.randn_like(x), y


online = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16))
predictor = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
teacher = copy.deepcopy(online)
for p in teacher.parameters():
    p.requires_grad = False
opt = torch.optim.AdamW([*online.parameters(), *predictor.parameters()], lr=2e-3, weight_decay=1e-4)
steps = 200
for step in range(steps):
    a, b, y = views(64)
    with torch.no_grad():
        ta, tb = teacher(a), teacher(b)
    loss = -(
        F.cosine_similarity(predictor(online(a)), tb).mean()
        + F.cosine_similarity(predictor(online(b)), ta).mean()
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
    tau = 1 - 0.04 * (math.cos(math.pi * step / steps) + 1) / 2
    with torch.no_grad():
        for t, o in zip(teacher.parameters(), online.parameters()):
            t.mul_(tau).add_(o, alpha=1 - tau)
    if step % 40 == 39:
        spread = F.normalize(online(a), dim=1).std(0).mean().item()
        print(f"step {step + 1} loss {loss.item():.4f} tau {tau:.3f} spread {spread:.3f}")
