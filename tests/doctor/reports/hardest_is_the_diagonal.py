import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(91)


class PatchEncoder(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(1, 16, 5, padding=2),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Conv1d(16, 32, 5, padding=2),
            nn.ReLU(),
        )
        self.proj = nn.Linear(32, dim)

    def forward(self, x):
        return F.normalize(self.proj(self.conv(x).amax(-1)), dim=1)


def triplet(anchor, positive, margin=0.5):
    sim = anchor @ positive.t()
    pos_sims = sim.diagonal()
    masked = sim.clone()
    masked.diagonal().fill_(-float("inf"))
    neg_dists = 1 - masked
    hard_neg_dists, _ = torch.max(neg_dists, dim=1)  # bug
    # fix: hard_neg_dists, _ = torch.min(neg_dists, dim=1)
    pos_dists = 1 - pos_sims
    return F.relu(pos_dists - hard_neg_dists + margin).mean()


def patches(n, length=32):
    t = torch.arange(length) / length
    freq = 1 + 7 * torch.rand(n, 1)
    phase = 6.28 * torch.rand(2, n, 1)
    a = torch.sin(6.28 * freq * t + phase[0]) + 0.1 * torch.randn(n, length)
    b = torch.sin(6.28 * freq * t + phase[1]) + 0.1 * torch.randn(n, length)
    return a.unsqueeze(1), b.unsqueeze(1)


encoder = PatchEncoder()
pretext = nn.Linear(16, 1)
optimizer = torch.optim.AdamW(list(encoder.parameters()) + list(pretext.parameters()), lr=2e-3)
for it in range(8):
    a, b = patches(32)
    za, zb = encoder(a), encoder(b)
    triplet_loss = triplet(za, zb)
    order = pretext(za - zb.roll(1, 0)).squeeze(1)
    pretext_loss = F.binary_cross_entropy_with_logits(order, torch.ones(32)) * 0.05
    loss = triplet_loss + pretext_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 25 == 24:
        with torch.no_grad():
            hit = ((za @ zb.t()).argmax(1) == torch.arange(32)).float().mean().item()
        print(
            f"it {it + 1} triplet {triplet_loss.item():.4f} pretext {pretext_loss.item():.4f} retrieval {hit:.2f}"
        )
