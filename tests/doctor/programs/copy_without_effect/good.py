import copy
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
actor = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2), nn.Tanh())
critic = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
actor_t, critic_t = copy.deepcopy(actor), copy.deepcopy(critic)
oa = torch.optim.Adam(actor.parameters(), lr=1e-3)
oc = torch.optim.Adam(critic.parameters(), lr=1e-3)
for i in range(40):
    s, s2, a, r = (
        torch.randn(32, 4),
        torch.randn(32, 4),
        torch.rand(32, 2) * 2 - 1,
        torch.randn(32, 1),
    )
    with torch.no_grad():
        target = r + 0.99 * critic_t(torch.cat([s2, actor_t(s2)], 1))
    lc = F.mse_loss(critic(torch.cat([s, a], 1)), target)
    oc.zero_grad()
    lc.backward()
    oc.step()
    la = -critic(torch.cat([s, actor(s)], 1)).mean()
    oa.zero_grad()
    la.backward()
    oa.step()
    with torch.no_grad():
        for t, p in [
            *zip(critic_t.parameters(), critic.parameters()),
            *zip(actor_t.parameters(), actor.parameters()),
        ]:
            t.mul_(0.995).add_(p, alpha=0.005)
