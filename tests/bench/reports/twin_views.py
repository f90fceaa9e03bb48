import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(8)
centres = torch.randn(10, 24) * 1.5


def views(n):
    k = torch.randint(0, 10, (n,))
    base = centres[k] + 0.6 * torch.randn(n, 24)
    jitter = lambda: base + 0.4 * torch.randn(n, 24)
    return jitter(), jitter()


class Twin(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(
            nn.Linear(24, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32)
        )
        self.pred = nn.Sequential(
            nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 32)
        )

    def forward(self, a, b):
        za, zb = self.enc(a), self.enc(b)
        return self.pred(za), self.pred(zb), za, zb  # bug
        # fix: return self.pred(za), self.pred(zb), za.detach(), zb.detach()


def nc(p, z):
    return -F.cosine_similarity(p, z, dim=1).mean()


net = Twin()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for step in range(80):
    pa, pb, za, zb = net(*views(128))
    loss = 0.5 * nc(pa, zb) + 0.5 * nc(pb, za)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        spread = F.normalize(za.detach(), dim=1).std(0).mean() * 32**0.5
        print(step, f"loss {loss.item():.4f}  spread of z (1 is even) {spread.item():.4f}")
