import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
policy = nn.Linear(5, 4)
opt = torch.optim.Adam(policy.parameters(), lr=0.02)
for _ in range(8):
    state = torch.randn(64, 5)
    with torch.no_grad():
        before = Categorical(logits=policy(state))
        action = before.sample()
        old = before.log_prob(action)
    gain = (action == state[:, :4].argmax(1)).float()
    gain = (gain - gain.mean()) / (gain.std() + 1e-8)
    for _ in range(4):
        new = Categorical(logits=policy(state)).log_prob(action)
        ratio = new - old  # bug
        # fix: ratio = (new - old).exp()
        loss = -torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
