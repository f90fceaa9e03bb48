import copy

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
best_model, best = copy.deepcopy(model), float("inf")
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
x = torch.randn(20, 3)
y = x.sum(1, keepdim=True)
for epoch in range(10):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        val = ((model(x) - y) ** 2).mean().item()
    model.train()
    if val < best:
        best, best_model = val, copy.deepcopy(model)
