# Healthy: R1 penalty applied to the discriminator only every 8th step in a backward of its own; GAN losses do not fall
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(11)
D = nn.Sequential(
    nn.Linear(2, 48), nn.Softplus(), nn.Linear(48, 48), nn.Softplus(), nn.Linear(48, 1)
)
G = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 2))
d_opt = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.0, 0.99))
g_opt = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.0, 0.99))
EVERY, GAMMA = 8, 0.5


def real_batch(n):
    sign = torch.randint(0, 2, (n, 1)) * 2.0 - 1
    return sign * torch.tensor([1.5, 0.5]) + 0.2 * torch.randn(n, 2)


for step in range(240):
    D.requires_grad_(False)
    g_loss = F.softplus(-D(G(torch.randn(64, 4)))).mean()
    g_opt.zero_grad()
    g_loss.backward()
    g_opt.step()

    D.requires_grad_(True)
    d_loss = (
        F.softplus(-D(real_batch(64))).mean() + F.softplus(D(G(torch.randn(64, 4)).detach())).mean()
    )
    d_opt.zero_grad()
    d_loss.backward()
    d_opt.step()

    if step % EVERY == 0:
        real = real_batch(64).requires_grad_(True)
        (g,) = torch.autograd.grad(D(real).sum(), real, create_graph=True)
        r1 = 0.5 * GAMMA * EVERY * g.square().sum(1).mean()
        d_opt.zero_grad()
        r1.backward()
        d_opt.step()
    if step % 48 == 47:
        fake = G(torch.randn(512, 4))
        print(
            f"step {step + 1} D {d_loss.item():.4f} G {g_loss.item():.4f} r1 {r1.item():.4f} |x| {fake[:, 0].abs().mean().item():.3f}"
        )
