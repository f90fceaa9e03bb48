import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
crit = nn.HingeEmbeddingLoss(margin=1.0)
for e in range(30):
    a = torch.randn(32, 5)
    b = torch.randn(32, 5)
    t = (a[:, 0] * b[:, 0] > 0).float()  # bug
    # fix: t=(a[:,0]*b[:,0]>0).float()*2-1
    d = F.pairwise_distance(m(a), m(b))
    loss = crit(d, t)
    opt.zero_grad()
    loss.backward()
    opt.step()
