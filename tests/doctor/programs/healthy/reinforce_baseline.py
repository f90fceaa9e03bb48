import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

pi = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
v = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
o = torch.optim.Adam([*pi.parameters(), *v.parameters()], lr=1e-2)
for it in range(20):
    s = torch.randn(32, 4)
    d = torch.distributions.Categorical(logits=pi(s))
    a = d.sample()
    r = (a == (s[:, 0] > 0)).float()
    val = v(s).squeeze(1)
    adv = r - val.detach()
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    loss = -(d.log_prob(a) * adv).mean() + 0.5 * F.mse_loss(val, r) - 0.01 * d.entropy().mean()
    o.zero_grad()
    loss.backward()
    o.step()
