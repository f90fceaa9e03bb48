import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class T(nn.Module):
    def __init__(s):
        super().__init__()
        s.e = nn.Embedding(12, 6)
        s.r = nn.LSTM(6, 8)
        s.o = nn.Linear(8, 12)

    def forward(s, x):
        h, _ = s.r(s.e(x).transpose(0, 1))
        return s.o(h).transpose(0, 1)


m = T()
o = torch.optim.Adam(m.parameters(), lr=1e-2)
x = torch.randint(0, 12, (9, 7))
for i in range(15):
    l = F.cross_entropy(m(x[:, :-1]).reshape(-1, 12), x[:, 1:].reshape(-1))
    o.zero_grad()
    l.backward()
    o.step()
