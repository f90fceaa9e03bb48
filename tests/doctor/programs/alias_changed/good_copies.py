"""Second names that are changed where nobody reads the first, and copies."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(6, 6)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
total = torch.zeros(6)
for _ in range(6):
    clean = torch.randn(16, 6)
    noisy = clean.clone()
    noisy += 0.3 * torch.randn(16, 6)
    raw = torch.rand(16, 6)
    scaled = raw
    scaled *= 0.5
    rows = total.view(2, 3)
    rows += clean.mean(0).view(2, 3)
    loss = ((net(noisy) - clean) ** 2).mean() + (net(scaled) ** 2).mean() * 0.1
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
