import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 2))
d = [p for p in f.parameters() if p.ndim > 1]
n = [p for p in f.parameters() if p.ndim <= 1]
o = torch.optim.AdamW(
    [{"params": d, "weight_decay": 0.1}, {"params": n, "weight_decay": 0.0}], lr=1e-2
)
x = torch.randn(32, 6)
y = (x[:, 0] > 0).long()
for i in range(15):
    l = F.cross_entropy(f(x), y)
    o.zero_grad()
    l.backward()
    o.step()
