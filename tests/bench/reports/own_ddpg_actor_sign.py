import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
actor = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1), nn.Tanh())
critic = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
ta, tc = copy.deepcopy(actor), copy.deepcopy(critic)
oa = torch.optim.Adam(actor.parameters(), lr=1e-3)
oc = torch.optim.Adam(critic.parameters(), lr=1e-3)
S = torch.randn(256, 3)
A = torch.rand(256, 1) * 2 - 1
R = -((S[:, :1] - A) ** 2)
N = torch.randn(256, 3)
for s in range(40):
    i = torch.randint(0, 256, (32,))
    with torch.no_grad():
        q = R[i] + 0.9 * tc(torch.cat([N[i], ta(N[i])], 1))
    lc = F.mse_loss(critic(torch.cat([S[i], A[i]], 1)), q)
    oc.zero_grad()
    lc.backward()
    oc.step()
    la = critic(torch.cat([S[i], actor(S[i])], 1)).mean()  # bug
    # fix: la=-critic(torch.cat([S[i],actor(S[i])],1)).mean()
    oa.zero_grad()
    la.backward()
    oa.step()
    with torch.no_grad():
        for t, p in zip(
            list(ta.parameters()) + list(tc.parameters()),
            list(actor.parameters()) + list(critic.parameters()),
        ):
            t.lerp_(p, 0.05)
