import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical
from torch.nn.utils import clip_grad_norm_

torch.manual_seed(5)

N_CONTEXT, N_ARMS = 5, 5
MAX_NORM = 0.5

policy_net = nn.Sequential(nn.Linear(N_CONTEXT, 32), nn.Tanh(), nn.Linear(32, N_ARMS))
value_net = nn.Sequential(nn.Linear(N_CONTEXT, 32), nn.Tanh(), nn.Linear(32, 1))
policy_opt = torch.optim.SGD(policy_net.parameters(), lr=0.5)
value_opt = torch.optim.SGD(value_net.parameters(), lr=0.2)


def play(batch):
    context = torch.randint(0, N_CONTEXT, (batch,))
    x = F.one_hot(context, N_CONTEXT).float()
    dist = Categorical(logits=policy_net(x))
    action = dist.sample()
    reward = torch.where(action == context, 8.0, 0.0) + 0.3 * torch.randn(batch)
    return x, dist.log_prob(action), reward


for it in range(60):
    x, logp, reward = play(64)
    baseline = value_net(x).squeeze(1)

    value_loss = F.smooth_l1_loss(baseline, reward)
    value_opt.zero_grad()
    value_loss.backward()
    clip_grad_norm_(value_net.parameters(), MAX_NORM)
    value_opt.step()

    policy_loss = -(logp * (reward - baseline.detach())).mean()
    policy_opt.zero_grad()
    policy_loss.backward()
    clip_grad_norm_(value_net.parameters(), MAX_NORM)  # bug
    # fix: clip_grad_norm_(policy_net.parameters(), MAX_NORM)
    policy_opt.step()

    if it % 10 == 0 or it == 59:
        print(f"{it:3d} value loss {value_loss.item():.3f} mean reward {reward.mean().item():.2f}")
