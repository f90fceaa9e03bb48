import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
wanted = torch.randn(5, 4)

for step in range(12):
    states = torch.randn(64, 5)
    chances = Categorical(logits=policy(states))
    actions = chances.sample()
    earned = (states @ wanted).gather(1, actions[:, None])[:, 0]
    gain = earned - earned.mean()
    policy_loss = -(chances.log_prob(actions) * gain).mean()
    loss = policy_loss - 0.01 * chances.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
