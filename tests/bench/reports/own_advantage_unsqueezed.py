import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
pi, v = nn.Linear(4, 3), nn.Linear(4, 1)
opt = torch.optim.Adam([*pi.parameters(), *v.parameters()], lr=0.01)
for _ in range(20):
    s = torch.randn(32, 4)
    d = Categorical(logits=pi(s))
    a = d.sample()
    r = (a == s[:, :3].argmax(1)).float()
    val = v(s)  # bug
    # fix: val = v(s).squeeze(1)
    adv = (r - val).detach()
    loss = -(d.log_prob(a) * adv).mean() + ((val.squeeze() - r) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
