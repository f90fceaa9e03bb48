import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
tq = copy.deepcopy(q)
opt = torch.optim.Adam(q.parameters(), lr=1e-3)
S = torch.randn(256, 4)
A = torch.randint(0, 3, (256,))
R = torch.randn(256)
N = torch.randn(256, 4)
D = (torch.rand(256) < 0.1).float()
for s in range(30):
    i = torch.randint(0, 256, (32,))
    with torch.no_grad():
        y = R[i] + 0.9 * D[i] * tq(N[i]).max(1)[0]  # bug
        # fix: y=R[i]+0.9*(1-D[i])*tq(N[i]).max(1)[0]
    loss = F.smooth_l1_loss(q(S[i]).gather(1, A[i][:, None]).squeeze(1), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if s % 5 == 4:
        tq.load_state_dict(q.state_dict())
