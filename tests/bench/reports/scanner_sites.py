import torch
from torch import nn

torch.manual_seed(23)
BN_MOMENTUM = 0.95  # bug
# fix: BN_MOMENTUM = 0.05


def block(i, o):
    return nn.Sequential(nn.Linear(i, o), nn.BatchNorm1d(o, momentum=BN_MOMENTUM), nn.ReLU())


net = nn.Sequential(block(8, 32), block(32, 32), block(32, 32), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
w = torch.randn(8)


def scans(n):
    site = torch.randint(0, 3, (n,))
    x = torch.randn(n, 8) + torch.tensor([-2.0, 0.0, 3.0])[site][:, None]
    return x, torch.sin(x @ w * 0.5)


xv, yv = scans(500)
for step in range(80):
    net.train()
    x, y = scans(4)
    loss = (net(x).squeeze(1) - y).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step >= 60 and step % 4 == 3:
        net.eval()
        with torch.no_grad():
            v = (net(xv).squeeze(1) - yv).pow(2).mean().item()
        print(
            f"step {step} train {loss.item():.3f} validation {v:.3f} running mean of first unit {net[0][1].running_mean[0].item():.3f}"
        )
