import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(16)


def rotation_from_6d(v):
    a, b = v[:, :3], v[:, 3:]
    x = F.normalize(a, dim=1)
    z = F.normalize(torch.linalg.cross(x, b), dim=1)
    return torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)


def geodesic(m1, m2):
    trace = (m1 * m2).sum(dim=(1, 2))
    cos = (trace - 1) / 2
    cos = cos.clamp(-1, 1)  # bug
    # fix: cos = cos.clamp(-1 + 1e-6, 1 - 1e-6)
    return torch.acos(cos)


def yaw(angle):
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    c, s = angle.cos(), angle.sin()
    return torch.stack([c, -s, zero, s, c, zero, zero, zero, one], -1).view(-1, 3, 3)


class PoseNet(nn.Module):
    """predicts a correction of the prior pose; starts as the identity correction"""

    def __init__(self, n_in):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(n_in, 48), nn.ReLU())
        self.head = nn.Linear(48, 6)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = torch.tensor([1.0, 0, 0, 0, 1.0, 0])

    def forward(self, feats, prior):
        return prior @ rotation_from_6d(self.head(self.trunk(feats)))


def sample(n):
    angle = (torch.randn(n) * 0.8) * (torch.rand(n) < 0.75)
    feats = torch.cat([angle[:, None].sin(), angle[:, None].cos(), 0.05 * torch.randn(n, 4)], 1)
    prior = torch.eye(3).expand(n, 3, 3)
    return feats, prior, yaw(angle)


net = PoseNet(6)
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for it in range(120):
    feats, prior, target = sample(48)
    err = geodesic(net(feats, prior), target)
    loss = err.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 20 == 0 or it == 119:
        print(
            f"iter {it:3d}: mean angle {torch.rad2deg(loss).item():7.3f} deg, max {torch.rad2deg(err.max()).item():7.3f}"
        )
