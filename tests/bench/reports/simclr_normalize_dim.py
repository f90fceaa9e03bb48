import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(25)

TEMP = 0.2


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32))
        self.projector = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x):
        return self.projector(self.backbone(x))


def nt_xent(za, zb, temperature=TEMP):
    z = F.normalize(torch.cat([za, zb]), dim=0)  # bug
    # fix: z = F.normalize(torch.cat([za, zb]), dim=1)
    sim = z @ z.T / temperature
    n = za.size(0)
    sim.fill_diagonal_(float("-inf"))
    labels = torch.cat([torch.arange(n, 2 * n), torch.arange(0, n)])
    return F.cross_entropy(sim, labels)


def two_views(n):
    base = torch.randn(n, 20)
    view1 = base + 0.25 * torch.randn_like(base)
    view2 = base * (torch.rand_like(base) > 0.1)
    return view1, view2


encoder = Encoder()
optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3)

for step in range(60):
    v1, v2 = two_views(64)
    loss = nt_xent(encoder(v1), encoder(v2))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} contrastive loss {loss.item():.4f}")
