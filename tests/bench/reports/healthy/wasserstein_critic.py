# Healthy: WGAN-GP; losses are negative and not monotone, critic steps 4 times as often, penalty by double backward
import torch
from torch import nn

torch.manual_seed(4)
critic = nn.Sequential(
    nn.Linear(2, 48), nn.LeakyReLU(0.2), nn.Linear(48, 48), nn.LeakyReLU(0.2), nn.Linear(48, 1)
)
gen = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))
opt_c = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_g = torch.optim.Adam(gen.parameters(), lr=1e-3, betas=(0.5, 0.9))
mean = torch.tensor([3.0, 1.0])


def penalty(real, fake):
    mix = torch.lerp(real, fake, torch.rand(len(real), 1)).requires_grad_(True)
    (g,) = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    return 10 * (g.norm(dim=1) - 1).square().mean()


for it in range(120):
    critic.requires_grad_(True)
    for _ in range(4):
        real = mean + 0.3 * torch.randn(64, 2)
        with torch.no_grad():
            fake = gen(torch.randn(64, 3))
        c_loss = critic(fake).mean() - critic(real).mean() + penalty(real, fake)
        opt_c.zero_grad(set_to_none=True)
        c_loss.backward()
        opt_c.step()
    critic.requires_grad_(False)
    fake = gen(torch.randn(64, 3))
    g_loss = -critic(fake).mean()
    opt_g.zero_grad(set_to_none=True)
    g_loss.backward()
    opt_g.step()
    if it % 20 == 19:
        print(
            f"it {it + 1} critic {c_loss.item():.4f} generator {g_loss.item():.4f} gap {(fake.mean(0) - mean).norm().item():.3f}"
        )
