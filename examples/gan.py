"""A generator learns to draw a ring, against a critic that learns to tell it from real ones.

Two networks, two optimizers, two backwards a step. The second backward passes through the critic
and writes into its ``.grad`` as well; only ``zero_grad`` keeps that out of the critic's update.
"""

import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.9))
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))
says = nn.functional.binary_cross_entropy_with_logits
yes, no = torch.ones(64, 1), torch.zeros(64, 1)

for _ in range(200):
    angle = 2 * torch.pi * torch.rand(64, 1)
    real = torch.cat([angle.cos(), angle.sin()], dim=1)
    fake = generator(torch.randn(64, 2))

    critic_loss = says(critic(real), yes) + says(critic(fake.detach()), no)
    critic_optimizer.zero_grad()
    critic_loss.backward()
    critic_optimizer.step()

    generator_loss = says(critic(fake), yes)
    generator_optimizer.zero_grad()
    generator_loss.backward()
    generator_optimizer.step()

radius = fake.norm(dim=1)
print(f"drawn at a radius of {radius.mean().item():.2f}, give or take {radius.std().item():.2f}")
