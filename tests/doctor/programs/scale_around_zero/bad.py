import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv1d(1, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)
)
for layer in net:
    if isinstance(layer, nn.BatchNorm1d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(6):
    x = torch.randn(32, 1, 8)
    loss = F.cross_entropy(net(x), (x.mean((1, 2)) > 0).long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
