import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Linear(5, 2)
opt = torch.optim.SGD(m.parameters(), lr=0.1)
sc = torch.amp.GradScaler("cpu")
for s in range(15):
    x = torch.randn(32, 5)
    y = (x[:, 0] > 0).long()
    opt.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(m(x), y)
    sc.scale(loss).backward()
    sc.step(opt)  # bug
    # fix: sc.step(opt);sc.update()
