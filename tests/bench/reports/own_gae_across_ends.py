import torch
from torch import nn

torch.manual_seed(0)
v = nn.Linear(4, 1)
opt = torch.optim.Adam(v.parameters(), lr=0.01)


def gae(rewards, values, dones, gamma=0.99, lam=0.95):
    adv = torch.zeros_like(rewards)
    last = 0.0
    for t in reversed(range(len(rewards))):
        nxt = values[t + 1]
        delta = rewards[t] + gamma * nxt * (1 - dones[t]) - values[t]
        last = delta + gamma * lam * last  # bug
        # fix: last = delta + gamma * lam * last * (1 - dones[t])
        adv[t] = last
    return adv


for _ in range(15):
    obs = torch.randn(33, 4)
    r = torch.randn(32)
    d = (torch.rand(32) < 0.2).float()
    with torch.no_grad():
        vals = v(obs).squeeze(1)
        ret = gae(r, vals, d) + vals[:-1]
    loss = ((v(obs[:-1]).squeeze(1) - ret) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
