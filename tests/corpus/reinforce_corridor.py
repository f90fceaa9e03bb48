"""A hand loop: REINFORCE with a value baseline on a NumPy corridor, one update an episode."""

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(4)
rng = np.random.default_rng(4)
policy = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
value = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=1e-2)


def observe(place, speed):
    return np.array([place, speed, 1.0], dtype=np.float32)


def episode():
    place, speed, log_probs, values, rewards = rng.normal(), 0.0, [], [], []
    for _ in range(12):
        state = torch.from_numpy(observe(place, speed)).unsqueeze(0)
        choice = Categorical(logits=policy(state))
        action = choice.sample()
        log_probs.append(choice.log_prob(action))
        values.append(value(state).squeeze())
        speed += 0.3 * (2 * action.item() - 1)
        place += 0.3 * speed
        rewards.append(-abs(place))
    return log_probs, values, rewards


print("begin")
for number in range(25):
    log_probs, values, rewards = episode()
    returns, back = [], 0.0
    for reward in reversed(rewards):
        back = reward + 0.95 * back
        returns.insert(0, back)
    returns = torch.tensor(returns)
    actor = [-p * (r - v.item()) for p, r, v in zip(log_probs, returns, values, strict=True)]
    critic = [nn.functional.smooth_l1_loss(v, r) for r, v in zip(returns, values, strict=True)]
    loss = torch.stack(actor).sum() + torch.stack(critic).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(number, sum(rewards), loss.item())
print("end", [p.sum().item() for p in policy.parameters()], torch.rand(1).item())
