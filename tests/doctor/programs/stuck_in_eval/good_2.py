"""Trained first, then kept as it is: another network learns on what it says."""

import torch
from torch import nn

torch.manual_seed(0)
body = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU())
head, probe = nn.Linear(12, 6), nn.Linear(12, 3)
x = torch.randn(64, 6)
y = x[:, :3].argmax(1)

optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-2)
for step in range(4):
    loss = nn.functional.mse_loss(head(body(x)), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

body.requires_grad_(False).eval()
optimizer = torch.optim.Adam(probe.parameters(), lr=1e-2)
for step in range(8):
    loss = nn.functional.cross_entropy(probe(body(x)), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
