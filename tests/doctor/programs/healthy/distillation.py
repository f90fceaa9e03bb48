import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
t = nn.Linear(3, 4).eval()
s = nn.Linear(3, 4)
o = torch.optim.SGD(s.parameters(), lr=0.1)
for i in range(8):
    x = torch.randn(5, 3)
    with torch.no_grad():
        q = F.softmax(t(x) / 2, 1)
    l = F.kl_div(F.log_softmax(s(x) / 2, 1), q, reduction="batchmean")
    o.zero_grad()
    l.backward()
    o.step()
