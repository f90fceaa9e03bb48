import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Normal

torch.manual_seed(21)


class GaussianPolicy(nn.Module):
    def __init__(self, obs_dim, act_dim):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(obs_dim, 32), nn.Tanh(), nn.Linear(32, act_dim))
        self.log_std = nn.Parameter(torch.full((act_dim,), -0.5))

    def forward(self, obs):
        return Normal(self.body(obs), self.log_std.exp())


def reward_fn(obs, act):
    goal = torch.stack([obs[:, 0] - obs[:, 1], 0.5 * obs[:, 2]], dim=1)
    return -((act - goal) ** 2).sum(dim=1)


policy = GaussianPolicy(3, 2)
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
CLIP, EPOCHS = 0.2, 5

for iteration in range(12):
    obs = torch.randn(256, 3)
    with torch.no_grad():
        act = policy(obs).sample()
    rew = reward_fn(obs, act)
    adv = (rew - rew.mean()) / (rew.std() + 1e-8)

    # fix: with torch.no_grad():
    # fix:     old_logp = policy(obs).log_prob(act).sum(dim=1)
    for epoch in range(EPOCHS):
        logp = policy(obs).log_prob(act).sum(dim=1)
        with torch.no_grad():  # bug
            old_logp = policy(obs).log_prob(act).sum(dim=1)  # bug
        ratio = torch.exp(logp - old_logp)
        surr = torch.min(ratio * adv, ratio.clamp(1 - CLIP, 1 + CLIP) * adv)
        loss = -surr.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    if iteration % 3 == 0 or iteration == 11:
        print(f"iteration {iteration:2d}  loss {loss.item():+.4f}  reward {rew.mean().item():.3f}")
