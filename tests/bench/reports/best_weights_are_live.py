import copy

import torch
from torch import nn

torch.manual_seed(204)
model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
x, held = torch.randn(60, 3), torch.randn(30, 3)
y, truth = x.prod(1, keepdim=True), held.prod(1, keepdim=True)
best, best_state = float("inf"), None
for epoch in range(12):
    for rows in torch.randperm(60).split(20):
        loss = ((model(x[rows]) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        score = ((model(held) - truth) ** 2).mean().item()
    if score < best:
        best = score
        best_state = model.state_dict()  # bug
        # fix: best_state = copy.deepcopy(model.state_dict())
model.load_state_dict(best_state)
print(best, copy.copy(best), ((model(held) - truth) ** 2).mean().item())
