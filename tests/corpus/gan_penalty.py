"""A hand loop: Wasserstein GAN with gradient penalty, critic and generator in turn."""

import torch
from torch import nn

torch.manual_seed(3)
generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
of_generator = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
of_critic = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))


def real(n):
    angle = torch.rand(n) * 6.2832
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


def penalty(a, b):
    mixed = torch.lerp(a, b, torch.rand(len(a), 1)).requires_grad_()
    (grad,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    return (grad.norm(dim=1) - 1).pow(2).mean()


print("begin")
for step in range(24):
    for _ in range(2):
        truth, fake = real(32), generator(torch.randn(32, 4)).detach()
        of_critic.zero_grad()
        loss_critic = critic(fake).mean() - critic(truth).mean() + 10 * penalty(truth, fake)
        loss_critic.backward()
        of_critic.step()
    of_generator.zero_grad()
    loss_generator = -critic(generator(torch.randn(32, 4))).mean()
    loss_generator.backward()
    of_generator.step()
    print(step, loss_critic.item(), loss_generator.item())
print("end", [p.sum().item() for p in generator.parameters()], torch.rand(1).item())
