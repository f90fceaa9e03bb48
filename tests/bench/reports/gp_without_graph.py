import math

import torch
import torch.nn as nn
from torch.autograd import grad

torch.manual_seed(11)
LAMBDA, BATCH, N_CRITIC = 10.0, 64, 4

critic = nn.Sequential(
    nn.Linear(2, 48), nn.LeakyReLU(0.2), nn.Linear(48, 48), nn.LeakyReLU(0.2), nn.Linear(48, 1)
)
generator = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 2))
opt_c = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))
opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))


def sample_real(n):
    k = torch.randint(0, 6, (n,)).float() * (2 * math.pi / 6)
    return torch.stack([k.cos(), k.sin()], 1) * 2 + 0.05 * torch.randn(n, 2)


def calc_gradient_penalty(real, fake):
    alpha = torch.rand(real.size(0), 1)
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    score = critic(interpolates)
    gradients = grad(score, interpolates, grad_outputs=torch.ones_like(score), retain_graph=True)[
        0
    ]  # bug
    # fix: gradients = grad(score, interpolates, grad_outputs=torch.ones_like(score), create_graph=True)[0]
    return LAMBDA * ((gradients.norm(2, dim=1) - 1) ** 2).mean()


for iteration in range(80):
    for _ in range(N_CRITIC):
        real = sample_real(BATCH)
        fake = generator(torch.randn(BATCH, 4)).detach()
        penalty = calc_gradient_penalty(real, fake)
        wasserstein = critic(fake).mean() - critic(real).mean()
        d_cost = wasserstein + penalty
        opt_c.zero_grad()
        d_cost.backward()
        opt_c.step()

    g_cost = -critic(generator(torch.randn(BATCH, 4))).mean()
    opt_g.zero_grad()
    g_cost.backward()
    opt_g.step()
    if iteration % 10 == 9:
        print(
            f"iter {iteration + 1:3d}  W {-wasserstein.item():8.3f}  gp {penalty.item():8.3f}  G {g_cost.item():8.3f}"
        )
