import torch
from torch import nn

torch.manual_seed(0)
ages = nn.Embedding(10, 6)
head = nn.Linear(6, 1)
opt = torch.optim.Adam([*ages.parameters(), *head.parameters()], lr=0.02)
for _ in range(8):
    age = torch.rand(64)
    bucket = (age * 10).long()
    loss = ((head(ages(bucket)).squeeze(1) - 3 * age) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
