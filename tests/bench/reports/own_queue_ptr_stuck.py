import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
enc = nn.Linear(8, 4)
key = copy.deepcopy(enc).requires_grad_(False)
opt = torch.optim.SGD(enc.parameters(), lr=0.05)
queue = F.normalize(torch.randn(4, 64), dim=0)
ptr = torch.zeros(1, dtype=torch.long)
for s in range(20):
    x = torch.randn(16, 8)
    q = F.normalize(enc(x), dim=1)
    with torch.no_grad():
        for a, b in zip(key.parameters(), enc.parameters()):
            a.mul_(0.99).add_(b, alpha=0.01)
        k = F.normalize(key(x + 0.1 * torch.randn_like(x)), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.clone()], 1) / 0.2
    loss = F.cross_entropy(logits, torch.zeros(16, dtype=torch.long))
    opt.zero_grad()
    loss.backward()
    opt.step()
    p = int(ptr)
    queue[:, p : p + 16] = k.t()
    ptr = (ptr + 16) % 64 if False else ptr  # bug
    # fix: ptr=(ptr+16)%64
