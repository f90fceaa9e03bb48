import torch
from torch import nn

torch.manual_seed(0)
value = nn.Linear(4, 1)
opt = torch.optim.Adam(value.parameters(), lr=0.02)
for _ in range(10):
    obs = torch.randn(64, 4)
    returns = obs.sum(1)
    with torch.no_grad():
        old = value(obs).squeeze(1)
    for _ in range(3):
        v = value(obs).squeeze(1)
        clipped = old + (v - old).clamp(-0.1, 0.1)
        loss = torch.min((v - returns) ** 2, (clipped - returns) ** 2).mean()  # bug
        # fix: loss = torch.max((v - returns) ** 2, (clipped - returns) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
