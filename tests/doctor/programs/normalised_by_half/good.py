import torch
from torch import nn

torch.manual_seed(0)
policy = nn.Linear(3, 2)
optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
for _ in range(6):
    states = torch.randn(32, 3)
    choice = torch.distributions.Categorical(logits=policy(states))
    actions = choice.sample()
    gain = (actions == (states[:, 0] > 0).long()).float()
    gain = (gain - gain.mean()) / (gain.std() + 1e-5)
    loss = -(choice.log_prob(actions) * gain).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
