import torch
from torch import nn

torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0)  # time first: (8, 8, 16)
head = nn.Linear(16, 3)
optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=1e-3)
for _ in range(6):
    x = torch.randn(8, 8, 16)
    loss = nn.functional.cross_entropy(head(layer(x)).mean(0), x[:, :, :3].sum(0).argmax(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
