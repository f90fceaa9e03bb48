import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(9)

Z = 4
G = nn.Sequential(nn.Linear(Z, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))


def real_batch(n):
    angle = torch.rand(n) * 6.2832
    ring = torch.stack([angle.cos(), angle.sin()], dim=1)
    return ring + 0.05 * torch.randn(n, 2) + torch.tensor([1.5, 0.0])


for step in range(60):
    real = real_batch(128)
    fake = G(torch.randn(128, Z))

    # discriminator
    d_real, d_fake = D(real), D(fake.detach())
    loss_d = 0.5 * (
        F.mse_loss(d_real, torch.ones_like(d_real)) + F.mse_loss(d_fake, torch.zeros_like(d_fake))
    )
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()

    # generator
    d_fake2 = D(fake.detach())  # bug
    # fix: d_fake2 = D(fake)
    loss_g = F.mse_loss(d_fake2, torch.ones_like(d_fake2))
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()

    if step % 10 == 0 or step == 59:
        print(
            f"{step:2d} D {loss_d.item():.4f} G {loss_g.item():.4f} fake mean {fake.mean(0).tolist()}"
        )
