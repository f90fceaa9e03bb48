import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
enc = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
cls = nn.Linear(16, 2)
dom = nn.Linear(16, 2)
opt = torch.optim.SGD([*enc.parameters(), *cls.parameters(), *dom.parameters()], lr=0.05)
for s in range(40):
    x = torch.randn(64, 6)
    d = torch.randint(0, 2, (64,))
    x = x + d[:, None].float()
    y = (x[:, 0] > 0).long()
    h = enc(x)
    loss = F.cross_entropy(cls(h), y) - 0.5 * F.cross_entropy(dom(h), d)  # bug
    # fix: loss=F.cross_entropy(cls(h),y)+F.cross_entropy(dom(h.detach()),d)
    opt.zero_grad()
    loss.backward()
    opt.step()
