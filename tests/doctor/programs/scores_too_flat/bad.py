import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16))
optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
for _ in range(6):
    x = torch.randn(32, 8)
    one = F.normalize(encoder(x + 0.1 * torch.randn(32, 8)), dim=1)
    other = F.normalize(encoder(x + 0.1 * torch.randn(32, 8)), dim=1)
    loss = F.cross_entropy(one @ other.T * 0.1, torch.arange(32))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
