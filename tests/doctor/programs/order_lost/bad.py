import torch
from torch import nn

torch.manual_seed(0)
policy = nn.Linear(3, 2)
optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
for _ in range(6):
    states = torch.randn(10, 3)
    choice = torch.distributions.Categorical(logits=policy(states))
    actions = choice.sample()
    rewards = (actions == (states[:, 0] > 0).long()).float().tolist()
    returns, total = [], 0.0
    for reward in rewards[::-1]:
        total = reward + 0.9 * total
        returns.append(total)
    loss = -(choice.log_prob(actions) * torch.tensor(returns)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
