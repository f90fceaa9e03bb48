import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 3))
opt = torch.optim.Adam(net.parameters(), lr=0.003)
for i in range(20):
    s = torch.randn(64, 4)
    dist = torch.distributions.Categorical(logits=net(s))
    a = dist.sample()
    old = dist.log_prob(a)
    adv = torch.randn(64)
    for k in range(1):
        ratio = torch.exp(dist.log_prob(a) - old)
        loss = -torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
