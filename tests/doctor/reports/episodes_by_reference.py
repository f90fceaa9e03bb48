import random

import torch
from torch import nn

torch.manual_seed(328)
random.seed(328)
model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
seen, memory = [], []
for episode in range(16):
    seen.clear()  # bug
    # fix: seen = []
    place = torch.randn(3)
    for _ in range(6):
        place = 0.9 * place + 0.3 * torch.randn(3)
        seen.append((place, place.norm()))
    memory.append(seen)
    for chosen in random.choices(memory, k=2):
        state = torch.stack([one for one, _ in chosen])
        value = torch.stack([one for _, one in chosen])
        loss = nn.functional.mse_loss(model(state).squeeze(1), value)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
