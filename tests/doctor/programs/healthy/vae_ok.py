import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class V(nn.Module):
    def __init__(s):
        super().__init__()
        s.e = nn.Linear(6, 4)
        s.d = nn.Linear(2, 6)

    def forward(s, x):
        mu, lv = s.e(x).chunk(2, 1)
        z = mu + torch.randn_like(mu) * (lv / 2).exp()
        return s.d(z), mu, lv


m = V()
o = torch.optim.Adam(m.parameters(), lr=1e-2)
x = torch.randn(30, 6)
for i in range(15):
    r, mu, lv = m(x)
    l = F.mse_loss(r, x, reduction="sum") / 30 - 0.5 * (1 + lv - mu**2 - lv.exp()).sum(1).mean()
    o.zero_grad()
    l.backward()
    o.step()
