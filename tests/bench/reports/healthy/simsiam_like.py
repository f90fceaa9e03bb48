# Healthy: SimSiam; the same network gives both branches and one side of each term is detached by design
import torch
from torch import nn
from torch.nn import functional as F


class SimSiam(nn.Module):
    def __init__(self, n_in=16, width=64, out=24, bottleneck=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_in, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, out),
            nn.BatchNorm1d(out, affine=False),
        )
        self.predictor = nn.Sequential(
            nn.Linear(out, bottleneck),
            nn.BatchNorm1d(bottleneck),
            nn.ReLU(),
            nn.Linear(bottleneck, out),
        )

    def forward(self, a, b):
        za, zb = self.encoder(a), self.encoder(b)
        return self.predictor(za), self.predictor(zb), za.detach(), zb.detach()


def distance(p, z):
    return -F.cosine_similarity(p, z, dim=-1).mean()


def main():
    torch.manual_seed(9)
    base = 1.5 * torch.randn(6, 16)
    model = SimSiam()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
    for step in range(200):
        x = base[torch.randint(0, 6, (96,))]
        a, b = x + 0.5 * torch.randn_like(x), x + 0.5 * torch.randn_like(x)
        pa, pb, za, zb = model(a, b)
        loss = 0.5 * distance(pa, zb) + 0.5 * distance(pb, za)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 40 == 39:
            print(
                f"step {step + 1} loss {loss.item():.4f} std {F.normalize(za, dim=1).std(0).mean().item():.4f}"
            )


main()
