import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.LSTM(1, 8)
h = nn.Linear(8, 1)
o = torch.optim.Adam([*m.parameters(), *h.parameters()], lr=1e-2)
s = torch.sin(torch.arange(40) * 0.3)
for i in range(10):
    for k in (0, 10, 20):
        x = s[k : k + 10].view(10, 1, 1)
        y = s[k + 1 : k + 11].view(10, 1)
        z, _ = m(x)
        l = F.mse_loss(h(z.view(10, -1)), y)
        o.zero_grad()
        l.backward()
        o.step()
