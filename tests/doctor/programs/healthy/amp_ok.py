import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
o = torch.optim.AdamW(f.parameters(), lr=1e-2)
s = torch.amp.GradScaler("cpu")
x = torch.randn(32, 6)
y = x[:, :3].argmax(1)
for i in range(15):
    o.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        l = F.cross_entropy(f(x), y)
    s.scale(l).backward()
    s.unscale_(o)
    nn.utils.clip_grad_norm_(f.parameters(), 1.0)
    s.step(o)
    s.update()
