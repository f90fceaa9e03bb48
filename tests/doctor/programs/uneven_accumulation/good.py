import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Embedding(12, 8), nn.Linear(8, 12))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(8):
    optimizer.zero_grad()
    for length in (3, 30):
        text = torch.randint(0, 12, (length + 1,))
        loss = nn.functional.cross_entropy(model(text[:-1]), text[1:], reduction="sum") / 33
        loss.backward()
    optimizer.step()
