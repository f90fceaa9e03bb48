"""One input that goes through a model twice: dropout, the same rows, an attack, two updates."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
data, labels = torch.randn(64, 6), torch.randint(0, 3, (64,))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(6):
    rows = torch.randint(0, 64, (16,))
    x, y = data[rows], labels[rows]
    one, two = net(x), net(data[rows])
    agree = F.kl_div(one.log_softmax(1), two.softmax(1).detach(), reduction="batchmean")
    attacked = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(net(attacked), y), attacked)
    worse = net(x + 0.05 * slope.sign())
    loss = F.cross_entropy(one, y) + 0.1 * agree + 0.5 * F.cross_entropy(worse, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
