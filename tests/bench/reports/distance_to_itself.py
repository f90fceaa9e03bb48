import torch
from torch import nn

torch.manual_seed(303)
model = nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
points = torch.randn(32, 6)
wanted = torch.cdist(points, points).sqrt()
for step in range(12):
    placed = model(points)
    apart = placed[:, None] - placed[None, :]
    square = (apart * apart).sum(-1)
    distance = square.sqrt()  # bug
    # fix: distance = square.clamp(min=1e-7).sqrt()
    loss = (distance - wanted).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
