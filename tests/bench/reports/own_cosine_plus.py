import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
enc = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
pred = nn.Linear(8, 8)
opt = torch.optim.SGD([*enc.parameters(), *pred.parameters()], lr=0.05)
for s in range(40):
    x = torch.randn(32, 8)
    a = x + 0.1 * torch.randn_like(x)
    b = x + 0.1 * torch.randn_like(x)
    za, zb = enc(a), enc(b)
    one = F.cosine_similarity(pred(za), zb.detach()).mean()
    other = F.cosine_similarity(pred(zb), za.detach()).mean()
    loss = (one + other) / 2  # bug
    # fix: loss = 1 - (one + other) / 2
    opt.zero_grad()
    loss.backward()
    opt.step()
