import torch
import torch.nn as nn
import torch.nn.functional as F


class BasicVAE(nn.Module):
    def __init__(self, dim=24, latent=6, kl_coeff=0.01, lr=5e-3):
        super().__init__()
        self.kl_coeff, self.lr = kl_coeff, lr
        self.encoder = nn.Sequential(nn.Linear(dim, 64), nn.ReLU())
        self.fc_mu, self.fc_var = nn.Linear(64, latent), nn.Linear(64, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, dim))

    def step(self, x):
        h = self.encoder(x)
        q = torch.distributions.Normal(
            self.fc_mu(h), (0.5 * self.fc_var(h)).exp(), validate_args=False
        )
        z = q.rsample()
        recon = F.mse_loss(self.decoder(z), x, reduction="mean")
        kl = (
            torch.distributions.kl_divergence(
                q, torch.distributions.Normal(torch.zeros_like(z), torch.ones_like(z))
            )
            .sum(-1)
            .mean()
        )
        # fix: kl = self.kl_coeff * kl
        loss = recon + kl
        return loss, {"recon": recon.item(), "kl": kl.item()}

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


torch.manual_seed(81)
mix = torch.randn(4, 24)
model = BasicVAE()
opt = model.configure_optimizers()
for i in range(80):
    loss, logs = model.step(torch.randn(64, 4) @ mix)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 16 == 15:
        print(i, f"loss {loss.item():.4f}", {k: round(v, 4) for k, v in logs.items()})
