import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
encoder = nn.Linear(8, 4)
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.05)
memory, place = F.normalize(torch.randn(64, 4), dim=1), 0
for _ in range(6):
    x = torch.randn(8, 8)
    query = F.normalize(encoder(x), dim=1)
    key = F.normalize(encoder(x + 0.1 * torch.randn(8, 8)), dim=1)
    own = (query * key).sum(1, keepdim=True)
    scores = torch.cat([own, query @ memory.T.clone()], dim=1) / 0.2
    loss = F.cross_entropy(scores, torch.zeros(8, dtype=torch.long))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    memory[place : place + 8] = key.detach()
    place = (place + 1) % 64
