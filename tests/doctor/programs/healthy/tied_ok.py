import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class L(nn.Module):
    def __init__(s):
        super().__init__()
        s.e = nn.Embedding(12, 6)
        s.o = nn.Linear(6, 12, bias=False)
        s.o.weight = s.e.weight

    def forward(s, x):
        return s.o(torch.tanh(s.e(x)))


m = L()
o = torch.optim.SGD(m.parameters(), lr=0.1)
x = torch.randint(0, 12, (9, 7))
for i in range(15):
    l = F.cross_entropy(m(x[:, :-1]).reshape(-1, 12), x[:, 1:].reshape(-1))
    o.zero_grad()
    l.backward()
    o.step()
