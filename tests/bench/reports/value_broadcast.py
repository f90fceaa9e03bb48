import torch
from torch import nn

torch.manual_seed(0)

OBS = 6


class ValueHead(nn.Module):
    def __init__(self, obs_dim, hidden=64):
        super().__init__()
        self.l1 = nn.Linear(obs_dim, hidden)
        self.l2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, obs):
        h = torch.tanh(self.l1(obs))
        h = torch.tanh(self.l2(h))
        return self.out(h)


def discounted_returns(rewards, gamma=0.95):
    out, running = [], 0.0
    for r in reversed(rewards.tolist()):
        running = r + gamma * running
        out.append(running)
    return torch.tensor(out[::-1])


def rollout(n_traj=8, horizon=16):
    obs, rets = [], []
    for _ in range(n_traj):
        start = torch.randn(OBS)
        o = start + 0.2 * torch.randn(horizon, OBS)
        rew = 0.3 * o[:, 0] - 0.2 * o[:, 1]
        obs.append(o)
        rets.append(discounted_returns(rew))
    return torch.cat(obs), torch.cat(rets)


critic = ValueHead(OBS)
optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)

for update in range(60):
    obs, returns = rollout()
    values = critic(obs)  # bug
    # fix: values = critic(obs).squeeze(-1)
    value_loss = 0.5 * ((returns - values) ** 2).mean()
    optimizer.zero_grad()
    value_loss.backward()
    optimizer.step()
    if update % 10 == 0 or update == 59:
        print(
            f"update {update:2d}  value loss {value_loss.item():.4f}  var(returns) {returns.var().item():.4f}"
        )
