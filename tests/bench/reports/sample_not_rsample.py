import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

torch.manual_seed(19)


def bars(n, size=8):
    img = torch.zeros(n, size, size)
    which = torch.randint(0, 2 * size, (n,))
    for i, w in enumerate(which.tolist()):
        if w < size:
            img[i, w] = 1
        else:
            img[i, :, w - size] = 1
    return img.flatten(1)


class Vae(nn.Module):
    def __init__(self, n_in=64, latent=6):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(n_in, 64), nn.ReLU())
        self.loc = nn.Linear(64, latent)
        self.log_scale = nn.Linear(64, latent)
        self.dec = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, n_in))

    def posterior(self, x):
        h = self.enc(x)
        return Normal(self.loc(h), self.log_scale(h).clamp(-5, 2).exp())

    def forward(self, x):
        q = self.posterior(x)
        z = q.sample()  # bug
        # fix: z = q.rsample()
        return self.dec(z), q


def elbo_terms(model, x):
    logits, q = model(x)
    rec = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1).mean()
    return rec, kl


model = Vae()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(15):
    tot_rec = tot_kl = 0.0
    for _ in range(25):
        rec, kl = elbo_terms(model, bars(64))
        loss = rec + 0.5 * kl
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot_rec += rec.item() / 25
        tot_kl += kl.item() / 25
    if epoch % 2 == 0:
        print(f"epoch {epoch:2d} reconstruction {tot_rec:7.3f} kl {tot_kl:6.3f}")
