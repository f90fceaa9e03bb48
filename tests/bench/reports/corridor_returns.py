"""Learn the distribution of the pay-off of each door with quantile regression."""

import argparse
import torch
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--quantiles", type=int, default=15)
ap.add_argument("--steps", type=int, default=80)
ap.add_argument("--lr", type=float, default=0.05)
ap.add_argument("--kappa", type=float, default=0.1)
args = ap.parse_args([])

torch.manual_seed(5)
N = args.quantiles
taus = (torch.arange(N, dtype=torch.float32) + 0.5) / N


def doors(n):
    d = torch.randint(0, 3, (n,))
    centre = torch.tensor([0.0, 2.0, -2.0])[d]
    width = torch.tensor([0.3, 1.5, 0.8])[d]
    samples = centre[:, None] + width[:, None] * torch.randn(n, N)
    return nn.functional.one_hot(d, 3).float(), samples


net = nn.Linear(3, N)
opt = torch.optim.Adam(net.parameters(), lr=args.lr)


def quantile_huber(pred, target):
    u = target[:, None, :] - pred[:, :, None]
    huber = torch.where(
        u.abs() <= args.kappa, 0.5 * u**2, args.kappa * (u.abs() - 0.5 * args.kappa)
    )
    w = (taus - (u.detach() < 0).float()).abs()  # bug
    # fix: w = (taus[None, :, None] - (u.detach() < 0).float()).abs()
    return (w * huber / args.kappa).mean(2).sum(1).mean()


for step in range(args.steps):
    obs, pay = doors(64)
    loss = quantile_huber(net(obs), pay)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 19:
        with torch.no_grad():
            spread = (net(torch.eye(3))[:, -2] - net(torch.eye(3))[:, 1]).tolist()
        print(step, f"{loss.item():.4f}", "10-90 spread", [round(v, 2) for v in spread])
