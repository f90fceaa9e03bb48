import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(29)


class ELBO:
    def __init__(self, beta):
        self.beta = beta

    def kl(self, mu, logvar):
        return (  # bug
            0.5  # bug
            * (mu.pow(2) + logvar.pow(2) - torch.log(logvar.pow(2) + 1e-8) - 1)  # bug
            .sum(1)  # bug
            .mean()  # bug
        )  # bug
        # fix: return 0.5 * (mu.pow(2) + logvar.exp() - logvar - 1).sum(1).mean()

    def __call__(self, recon, x, mu, logvar):
        rec = F.mse_loss(recon, x, reduction="none").sum(1).mean()
        kl = self.kl(mu, logvar)
        return rec + self.beta * kl, rec, kl


class VAE(nn.Module):
    def __init__(self, d=10, z=4):
        super().__init__()
        self.e = nn.Sequential(nn.Linear(d, 48), nn.ReLU(), nn.Linear(48, 2 * z))
        self.g = nn.Sequential(nn.Linear(z, 48), nn.ReLU(), nn.Linear(48, d))

    def forward(self, x):
        mu, logvar = self.e(x).chunk(2, 1)
        code = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.g(code), mu, logvar


mix = torch.randn(2, 10) * 0.7
model, crit = VAE(), ELBO(beta=2.0)
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(80):
    x = torch.randn(128, 2) @ mix + 0.2 * torch.randn(128, 10)
    recon, mu, logvar = model(x)
    loss, rec, kl = crit(recon, x, mu, logvar)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        var_total = (mu.var(0) + logvar.exp().mean(0)).tolist()
        print(
            step,
            f"loss {loss.item():.3f} rec {rec.item():.3f} kl {kl.item():.3f} code variance",
            [round(v, 2) for v in var_total],
        )
