"""Names in another place that mean what they say."""

import torch
from torch import nn

torch.manual_seed(0)


def apart(pred, target):
    return ((pred - target) ** 2).mean() + torch.abs(target - pred).mean()


def divergence(p, q):
    return (p.softmax(1) * (p.log_softmax(1) - q.log_softmax(1))).sum(1).mean()


def sizes(x):
    batch, places, width = x.shape
    return x.reshape((places * batch, width)), places


net, other = nn.Linear(4, 3), nn.Linear(4, 3)
optimizer = torch.optim.SGD([*net.parameters(), *other.parameters()], lr=0.05)
before, now, after = torch.zeros(3), torch.ones(3), torch.ones(3)
for _ in range(6):
    x, places = sizes(torch.randn(2, 16, 4))
    target = x[:, :3]
    pred = net(x)
    p, q = pred, other(x)
    before, now, after = now, after, before
    loss = apart(target, pred) + divergence(p, q) + divergence(q, p)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
