import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Linear(6, 2)
o = torch.optim.SGD(f.parameters(), lr=0.1, momentum=0.9)
x = torch.randn(64, 6)
y = (x[:, 0] > 0).long()
for e in range(15):
    o.zero_grad(set_to_none=False)
    l = F.cross_entropy(f(x), y)
    l.backward()
    nn.utils.clip_grad_norm_(f.parameters(), 1.0)
    o.step()
