import math

import torch
from torch import nn

torch.manual_seed(151)


class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 2))

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        if self.flip:
            a, b = b, a
        log_scale, shift = self.net(a).chunk(2, dim=1)
        log_scale = 2 * torch.tanh(log_scale)
        b = b * log_scale.exp() + shift
        out = torch.cat([b, a] if self.flip else [a, b], dim=1)
        return out, log_scale.squeeze(1)


class NormalizingFlows(nn.Module):
    def __init__(self, depth=6):
        super().__init__()
        self.flows = nn.ModuleList(Coupling(i % 2 == 1) for i in range(depth))

    def forward(self, x):
        log_dets = []
        for flow in self.flows:
            x, log_det = flow(x)
            log_dets.append(log_det)
        return x, torch.stack(log_dets).sum(0)


def log_gaussian(z):
    return (-0.5 * z.pow(2) - 0.5 * math.log(2 * math.pi)).sum(1)


def bent(n):
    u = torch.randn(n, 2)
    return torch.stack([u[:, 0] * 1.2, 0.4 * u[:, 1] + 0.6 * u[:, 0] ** 2], dim=1)


flow = NormalizingFlows()
opt = torch.optim.Adam(flow.parameters(), lr=3e-3)
for step in range(8):
    z, log_det_z = flow(bent(64))
    log_px = log_gaussian(z) + sum(log_det_z)  # bug
    # fix: log_px = log_gaussian(z) + log_det_z
    loss = -log_px.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 49:
        with torch.no_grad():
            z, log_det = flow(bent(512))
            nll = -(log_gaussian(z) + log_det).mean().item()
        print(f"step {step + 1} loss {loss.item():10.4f} held-out nll {nll:.4f}")
