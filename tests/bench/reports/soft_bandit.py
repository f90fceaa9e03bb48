import torch
import torch.nn as nn

torch.manual_seed(14)


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, s):
        mean, log_std = self.body(s).chunk(2, dim=-1)
        dist = torch.distributions.Normal(mean, log_std.clamp(-4, 1).exp())
        raw = dist.rsample()
        action = torch.tanh(raw)
        log_pi = dist.log_prob(raw) - torch.log(1 - action.pow(2) + 1e-6)
        return action, log_pi


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, s, a):
        return self.body(torch.cat([s, a], dim=-1))


def reward(s, a):
    return 1.0 - 4.0 * (a - torch.tanh(s[:, :1])) ** 2


actor, critic = Actor(), Critic()
actor_opt = torch.optim.Adam(actor.parameters(), lr=3e-3)
critic_opt = torch.optim.Adam(critic.parameters(), lr=1e-2)
target_entropy = -1.0
log_alpha = torch.zeros(1, requires_grad=True)
alpha_opt = torch.optim.Adam([log_alpha], lr=3e-2)
alpha = log_alpha.exp().item()

for step in range(60):
    states = torch.randn(64, 3)
    with torch.no_grad():
        actions, _ = actor(states)
    critic_loss = (critic(states, actions) - reward(states, actions)).pow(2).mean()
    critic_opt.zero_grad()
    critic_loss.backward()
    critic_opt.step()

    new_actions, log_pi = actor(states)
    actor_loss = (alpha * log_pi - critic(states, new_actions)).mean()
    actor_opt.zero_grad()
    actor_loss.backward()
    actor_opt.step()

    alpha_loss = -(log_alpha.exp() * (log_pi.detach() + target_entropy)).mean()
    alpha_opt.zero_grad()
    alpha_loss.backward()
    alpha_opt.step()
    # fix: alpha = log_alpha.exp().item()
    if step % 10 == 0 or step == 59:
        print(
            f"step {step:2d}  critic {critic_loss.item():.3f}  actor {actor_loss.item():.3f}  alpha {alpha:.3f}"
        )
