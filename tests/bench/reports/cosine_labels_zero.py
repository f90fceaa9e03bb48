import torch
from torch import nn

torch.manual_seed(217)
encoder = nn.Sequential(nn.Linear(7, 16), nn.Tanh(), nn.Linear(16, 5))
criterion = nn.CosineEmbeddingLoss(margin=0.1)
optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
left, right = torch.randn(64, 7), torch.randn(64, 7)
same = (left[:, 0] * right[:, 0] > 0).float()  # bug
# fix: same = (left[:, 0] * right[:, 0] > 0).float() * 2 - 1
for epoch in range(6):
    for rows in torch.randperm(64).split(16):
        loss = criterion(encoder(left[rows]), encoder(right[rows]), same[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
