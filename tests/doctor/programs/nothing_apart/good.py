import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 8))
predictor = nn.Linear(8, 8)
optimizer = torch.optim.SGD([*encoder.parameters(), *predictor.parameters()], lr=0.1)
for _ in range(8):
    base = torch.randn(32, 12)
    one, other = (encoder(base + 0.2 * torch.randn(32, 12)) for _ in range(2))
    loss = -F.cosine_similarity(predictor(one), other.detach()).mean()
    loss = loss - F.cosine_similarity(predictor(other), one.detach()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
