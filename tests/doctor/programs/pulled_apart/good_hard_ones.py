"""Distances and scores of pairs, some of which have no gradient of their own."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net, critic = nn.Linear(6, 4), nn.Linear(4, 1)
optimizer = torch.optim.Adam([*net.parameters(), *critic.parameters()], lr=0.01)
for _ in range(6):
    x = torch.randn(24, 6)
    anchor, near, far = net(x), net(x + 0.1), net(torch.randn(24, 6))
    pos = (anchor * near).sum(1, keepdim=True)
    neg = anchor @ far.t()
    loss = F.cross_entropy(torch.cat([pos, neg], 1) / 0.5, torch.zeros(24, dtype=torch.long))
    dist_neg = (anchor - far).norm(dim=1)
    loss = loss + F.relu(1 - dist_neg).mean() + 0.1 * (anchor - near).pow(2).sum(1).mean()
    pos_score, neg_score = critic(near.detach()), critic(far.detach())
    loss = loss + F.softplus(-pos_score).mean() + F.softplus(neg_score).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
