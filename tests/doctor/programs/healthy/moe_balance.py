import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class Moe(nn.Module):
    def __init__(s):
        super().__init__()
        s.gate = nn.Linear(6, 3)
        s.e = nn.ModuleList(nn.Linear(6, 2) for _ in range(3))

    def forward(s, x):
        w = s.gate(x).softmax(-1)
        s.aux = (w.mean(0) ** 2).sum() * 3
        return (torch.stack([e(x) for e in s.e], 1) * w.unsqueeze(-1)).sum(1)


m = Moe()
o = torch.optim.Adam(m.parameters(), lr=1e-2)
x = torch.randn(20, 6)
y = (x[:, 0] > 0).long()
for i in range(15):
    l = F.cross_entropy(m(x), y) + 0.01 * m.aux
    o.zero_grad()
    l.backward()
    o.step()
