import torch
from torch import nn

torch.manual_seed(133)
critic = nn.Sequential(nn.Linear(2, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))
optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
for step in range(30):
    real, fake = torch.randn(32, 2) + 2, torch.randn(32, 2)
    mix = torch.rand(32, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    slope = torch.autograd.grad(critic(between).sum(), between)[0]  # bug
    # fix: slope = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
    penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
    loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
