import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(s):
        super().__init__()
        s.l = nn.LSTM(4, 8, num_layers=2, batch_first=True)
        s.c = nn.Linear(8, 2)

    def forward(s, x):
        _, (h, _) = s.l(x)
        return s.c(h[0])  # bug
        # fix: return s.c(h[-1])


m = Net()
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
for s in range(15):
    x = torch.randn(16, 7, 4)
    y = (x.sum((1, 2)) > 0).long()
    loss = F.cross_entropy(m(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
