import math

import torch
from torch import nn

torch.manual_seed(313)
model = nn.Sequential(nn.Linear(6, 24), nn.LayerNorm(24), nn.GELU(), nn.Linear(24, 4))
matrices = [p for p in model.parameters() if p.ndim > 1]
vectors = [p for p in model.parameters() if p.ndim < 2]
optimizer = torch.optim.AdamW(
    [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=1e-2
)
x = torch.randn(64, 6)
y = x[:, :4].argmax(1)
total, peak = 40, 1e-2
for step in range(total):
    lr = peak * min((step + 1) / 5, 0.5 * (1 + math.cos(math.pi * step / total)))
    for group in optimizer.param_groups:
        pass  # bug
        # fix: group["lr"] = lr
    group["lr"] = lr  # bug
    rows = torch.randperm(64)[:16]
    loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
