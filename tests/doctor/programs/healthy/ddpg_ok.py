import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

import copy

actor = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1), nn.Tanh())
critic = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
ta, tc = copy.deepcopy(actor), copy.deepcopy(critic)
oa = torch.optim.Adam(actor.parameters(), lr=1e-3)
oc = torch.optim.Adam(critic.parameters(), lr=1e-3)
for i in range(25):
    s, s2 = torch.randn(16, 3), torch.randn(16, 3)
    a = torch.rand(16, 1) * 2 - 1
    r = -((a - s[:, :1]) ** 2)
    with torch.no_grad():
        q = r + 0.9 * tc(torch.cat([s2, ta(s2)], 1))
    lc = F.mse_loss(critic(torch.cat([s, a], 1)), q)
    oc.zero_grad()
    lc.backward()
    oc.step()
    la = -critic(torch.cat([s, actor(s)], 1)).mean()
    oa.zero_grad()
    la.backward()
    oa.step()
    with torch.no_grad():
        for t, p in list(zip(ta.parameters(), actor.parameters())) + list(
            zip(tc.parameters(), critic.parameters())
        ):
            t.mul_(0.99).add_(p, alpha=0.01)
