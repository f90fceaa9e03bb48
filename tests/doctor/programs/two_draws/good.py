import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
policy = nn.Linear(4, 3)
opt = torch.optim.Adam(policy.parameters(), lr=0.05)
for _ in range(8):
    state = torch.randn(64, 4)
    choice = Categorical(logits=policy(state))
    action = choice.sample()
    log_prob = choice.log_prob(action)
    reward = (action == state[:, :3].argmax(1)).float()
    loss = -(log_prob * (reward - reward.mean())).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
