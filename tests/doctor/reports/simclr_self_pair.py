import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(77)


class Encoder(nn.Module):
    def __init__(self, n_in, width, out):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))

    def forward(self, x):
        return F.normalize(self.projection(self.backbone(x)), dim=-1)


def nt_xent_loss(out_1, out_2, temperature):
    out = torch.cat([out_1, out_2], dim=0)
    cov = out @ out.t() / temperature
    sim = torch.exp(cov)  # bug
    # fix: own = torch.eye(len(out), dtype=torch.bool)
    # fix: sim = torch.exp(cov).masked_fill(own, 0.0)
    neg = sim.sum(dim=-1)
    pos = torch.exp((out_1 * out_2).sum(dim=-1) / temperature)
    pos = torch.cat([pos, pos], dim=0)
    return -torch.log(pos / neg).mean()


prototypes = torch.randn(200, 20)


def views(n):
    base = prototypes[torch.randperm(200)[:n]]
    return base + 0.4 * torch.randn(n, 20), base + 0.4 * torch.randn(n, 20)


model = Encoder(20, 64, 16)
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
for step in range(8):
    a, b = views(64)
    loss = nt_xent_loss(model(a), model(b), temperature=0.2)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 25 == 0:
        with torch.no_grad():
            za, zb = model(a), model(b)
            top1 = ((za @ zb.t()).argmax(1) == torch.arange(64)).float().mean().item()
        print(f"step {step:3d} nt-xent {loss.item():.4f} retrieval {top1:.2f}")
