"""A relativistic pair: which of two is more real, asked for from both sides."""

import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
judge = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
for_generator = torch.optim.Adam(generator.parameters(), lr=1e-2)
for_judge = torch.optim.Adam(judge.parameters(), lr=1e-2)
criterion = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
for step in range(6):
    real, fake = torch.randn(32, 2) + 2, generator(torch.randn(32, 4))
    loss = criterion(judge(fake) - judge(real).detach(), ones)
    for_generator.zero_grad()
    loss.backward()
    for_generator.step()

    real_score, fake_score = judge(real), judge(fake.detach())
    telling = criterion(real_score - fake_score, ones) + criterion(fake_score - real_score, zeros)
    for_judge.zero_grad()
    telling.backward()
    for_judge.step()
print(loss.item())
