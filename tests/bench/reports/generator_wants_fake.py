import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(26)


class AdversarialLoss:
    def __init__(self, wadv=1.0):
        self.wadv = wadv

    def discriminator(self, real, fake):
        return F.binary_cross_entropy_with_logits(
            real, torch.ones_like(real)
        ) + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))

    def generator(self, pred):
        return self.wadv * F.binary_cross_entropy_with_logits(pred, torch.zeros_like(pred))  # bug
        # fix: return self.wadv * F.binary_cross_entropy_with_logits(pred, torch.ones_like(pred))


class Generator(nn.Module):
    def __init__(self, z=4, out=2):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(z, 32), nn.LeakyReLU(0.2), nn.Linear(32, out))

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(n, 32),
            nn.LeakyReLU(0.2),
            nn.Linear(32, 32),
            nn.LeakyReLU(0.2),
            nn.Linear(32, 1),
        )

    def forward(self, x):
        return self.main(x)


G, D, loss_fn = Generator(), Discriminator(), AdversarialLoss()
optimizer_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
optimizer_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))
center = torch.tensor([2.0, -1.0])

for it in range(400):
    real = center + 0.4 * torch.randn(64, 2)
    fake = G(torch.randn(64, 4))
    loss_d = loss_fn.discriminator(D(real), D(fake.detach()))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()

    loss_g = loss_fn.generator(D(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    if it % 50 == 49:
        gap = (fake.mean(0) - center).norm().item()
        print(
            f"[{it + 1}] D {loss_d.item():.4f} G {loss_g.item():.4f} distance of the means {gap:.3f}"
        )
