import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical

torch.manual_seed(2)

ENTROPY_COEF = 0.2
VALUE_COEF = 0.5


class ActorCritic(nn.Module):
    def __init__(self, n_obs=6, n_act=4):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(n_obs, 64), nn.ReLU())
        self.pi = nn.Linear(64, n_act)
        self.v = nn.Linear(64, 1)

    def forward(self, obs):
        h = self.trunk(obs)
        return Categorical(logits=self.pi(h)), self.v(h).squeeze(-1)


def sample_obs(n):
    return torch.randn(n, 6)


def rewards(obs, act):
    best = obs[:, :4].argmax(dim=1)
    return (act == best).float()


model = ActorCritic()
optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)

for update in range(60):
    obs = sample_obs(128)
    dist, value = model(obs)
    act = dist.sample()
    ret = rewards(obs, act)
    adv = ret - value.detach()

    policy_loss = -(dist.log_prob(act) * adv).mean()
    value_loss = F.mse_loss(value, ret)
    entropy = dist.entropy().mean()
    loss = policy_loss + VALUE_COEF * value_loss + ENTROPY_COEF * entropy  # bug
    # fix: loss = policy_loss + VALUE_COEF * value_loss - ENTROPY_COEF * entropy

    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    if update % 10 == 0 or update == 59:
        print(
            f"update {update:2d} reward {ret.mean().item():.3f} entropy {entropy.item():.3f} v {value_loss.item():.3f}"
        )
