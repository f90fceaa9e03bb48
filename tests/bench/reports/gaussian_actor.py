import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(12)


class Actor(nn.Module):
    def __init__(self, obs, act):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(obs, 32), nn.ReLU())
        self.mean_head = nn.Linear(32, act)
        self.log_std_head = nn.Linear(32, act)

    def forward(self, s):
        h = self.trunk(s)
        mu = self.mean_head(h)
        log_std = torch.relu(self.log_std_head(h))  # bug
        # fix: log_std = self.log_std_head(h)
        log_std = torch.clamp(log_std, -5.0, 2.0)
        return mu, log_std


class Quadratic:
    def __init__(self, obs, act):
        self.goal = torch.randn(obs, act) * 0.5

    def q(self, s, a):
        return -((a - s @ self.goal) ** 2).sum(-1)


def train(steps=80, alpha=0.02):
    critic = Quadratic(4, 2)
    actor = Actor(4, 2)
    opt = torch.optim.Adam(actor.parameters(), lr=1e-2)
    for i in range(steps):
        s = torch.randn(128, 4)
        mu, log_std = actor(s)
        dist = Normal(mu, log_std.exp())
        a = dist.rsample()
        logp = dist.log_prob(a).sum(-1)
        loss = (alpha * logp - critic.q(s, a)).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        if i % 16 == 15:
            print(
                f"{i:3d} loss {loss.item():.3f} std {log_std.exp().mean().item():.3f} min {log_std.min().item():.3f}"
            )


train()
