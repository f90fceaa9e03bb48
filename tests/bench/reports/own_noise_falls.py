import torch
from torch import nn

torch.manual_seed(0)
betas = torch.linspace(0.2, 1e-4, 40)
ab = torch.cumprod(1 - betas, 0)
ab = ab.flip(0)  # bug
# fix: ab = torch.cumprod(1 - betas.flip(0), 0)
net = nn.Sequential(nn.Linear(9, 64), nn.SiLU(), nn.Linear(64, 8))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for _ in range(20):
    x = torch.randn(32, 8) + 1
    t = torch.randint(0, 40, (32,))
    e = torch.randn_like(x)
    a = ab[t][:, None]
    xt = a.sqrt() * x + (1 - a).sqrt() * e
    loss = ((net(torch.cat([xt, t[:, None] / 40], 1)) - e) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
