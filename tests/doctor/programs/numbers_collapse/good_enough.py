"""Casts that lose nothing, or what is meant to be lost."""

import torch
from torch import nn

torch.manual_seed(0)
ages, head = nn.Embedding(4, 6), nn.Linear(6 + 8, 1)
optimizer = torch.optim.Adam([*ages.parameters(), *head.parameters()], lr=0.01)
for _ in range(6):
    age = torch.rand(32)
    bucket = (age * 4).long()
    near = torch.arange(200, dtype=torch.bfloat16)[:32]
    pixels = torch.randint(0, 120, (32, 8), dtype=torch.uint8)
    brighter = (pixels + pixels).to(torch.bfloat16).float() / 255
    early = (age > 0.5).long()
    features = torch.cat([ages(bucket), brighter], 1)
    loss = ((head(features).squeeze(1) - age * near.float() / 32 - early) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
