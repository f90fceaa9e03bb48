import torch
import torch.nn.functional as F
from torch import nn


class VAE(nn.Module):
    def __init__(self, d=32, z=4):
        super().__init__()
        self.enc = nn.Linear(d, 64)
        self.mu, self.logvar = nn.Linear(64, z), nn.Linear(64, z)
        self.dec = nn.Sequential(nn.Linear(z, 64), nn.ReLU(), nn.Linear(64, d))

    def forward(self, x):
        h = torch.relu(self.enc(x))
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.dec(z), mu, logvar


def elbo(x, rec, mu, logvar):
    rec_loss = F.mse_loss(rec, x)  # bug
    # fix: rec_loss = F.mse_loss(rec, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return rec_loss + kl, rec_loss, kl


torch.manual_seed(58)
basis = torch.randn(3, 32)
vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=3e-3)
for step in range(80):
    x = torch.randn(64, 3) @ basis
    rec, mu, logvar = vae(x)
    loss, r, k = elbo(x, rec, mu, logvar)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            f"step {step} kl/sample {k.item() / 64:.4f} mse {F.mse_loss(rec, x).item():.3f} mu std {mu.std().item():.4f} rec std over batch {rec.std(0).mean().item():.3f}"
        )
