import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
actor = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 3))
critic = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.Adam(list(actor.parameters()) + list(critic.parameters()), lr=0.003)
for i in range(40):
    s = torch.randn(64, 4)
    ret = s[:, 0] + torch.randn(64) * 0.1
    dist = torch.distributions.Categorical(logits=actor(s))
    a = dist.sample()
    value = critic(s).squeeze(1)
    advantage = (ret - value).detach()
    policy_loss = -(dist.log_prob(a) * advantage).mean()
    value_loss = F.mse_loss(value, ret)
    loss = policy_loss + 0.5 * value_loss
    opt.zero_grad()
    loss.backward()
    opt.step()
