import torch
from torch import nn

torch.manual_seed(120)
model = nn.Sequential(nn.Linear(7, 21), nn.Tanh(), nn.Linear(21, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
accumulation = 3
audio = torch.randn(90, 7)
motion = torch.sin(audio[:, :2] * 2)
for epoch in range(3):
    for i, rows in enumerate(torch.randperm(90).split(10)):
        loss = ((model(audio[rows]) - motion[rows]) ** 2).mean() / accumulation
        optimizer.zero_grad()  # bug
        loss.backward()
        if (i + 1) % accumulation == 0:
            optimizer.step()
            # fix: optimizer.zero_grad()
print(loss.item())
