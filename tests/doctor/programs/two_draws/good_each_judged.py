"""Two draws of which each is judged."""

import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(0)
net = nn.Linear(4, 4)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(6):
    mean, spread = net(torch.randn(32, 4)).chunk(2, 1)
    policy = Normal(mean, spread.exp())
    first, second = policy.sample(), policy.sample()
    gain = -(first**2).sum(1) + (second**2).sum(1)
    own, other = policy.log_prob(first).sum(1), policy.log_prob(second).sum(1)
    entropy = policy.entropy().sum(1)
    loss = -((own - other) * gain).mean() - 0.01 * entropy.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
