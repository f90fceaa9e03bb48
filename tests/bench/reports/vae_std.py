import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(12)


def reparametrize_gaussian(mu, logvar):
    noise = torch.randn_like(mu)
    return mu + noise * logvar.exp()  # bug
    # fix: return mu + noise * (0.5 * logvar).exp()


def kl_gaussian(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(dim=1)


class VAE(nn.Module):
    def __init__(self, d=16, h=64, z=3):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(d, h), nn.ELU())
        self.to_mu = nn.Linear(h, z)
        self.to_logvar = nn.Linear(h, z)
        self.dec = nn.Sequential(nn.Linear(z, h), nn.ELU(), nn.Linear(h, d))

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.to_mu(h), self.to_logvar(h)
        z = reparametrize_gaussian(mu, logvar)
        return self.dec(z), mu, logvar


mixing = torch.randn(3, 16)


def data(n):
    return torch.randn(n, 3) @ mixing + 0.1 * torch.randn(n, 16)


vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=4e-3)
for step in range(60):
    x = data(128)
    recon, mu, logvar = vae(x)
    rec_loss = F.mse_loss(recon, x, reduction="none").sum(dim=1).mean()
    kl = kl_gaussian(mu, logvar).mean()
    loss = rec_loss + kl
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(
            f"step {step:2d} elbo {-loss.item():.3f} rec {rec_loss.item():.3f} kl {kl.item():.3f}"
        )
