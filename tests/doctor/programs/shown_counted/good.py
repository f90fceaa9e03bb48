import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 12))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(6):
    x = torch.randn(32, 4) @ torch.randn(4, 12)
    shown = (torch.rand(32, 12) < 0.7).float()
    error = (net(x * shown) - x) ** 2
    loss = (error * (1 - shown)).sum() / (1 - shown).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
