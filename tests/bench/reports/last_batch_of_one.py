import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(326)
actor = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(actor.parameters(), lr=3e-3)
state = torch.randn(25, 3)
with torch.no_grad():
    policy = Categorical(logits=actor(state))
    action = policy.sample()
    before = policy.log_prob(action)
reward = state[:, 0] * (2 * action - 1)
for epoch in range(3):
    for rows in torch.randperm(25).split(8):
        gain = reward[rows]
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)  # bug
        # fix: if len(rows) > 1:
        # fix:     gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        ratio = (Categorical(logits=actor(state[rows])).log_prob(action[rows]) - before[rows]).exp()
        loss = -torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
    if loss.isnan():
        break
