import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(6, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
worth = torch.randn(6)
one, other = torch.randn(64, 6), torch.randn(64, 6)
better = torch.sign((one - other) @ worth)

for step in range(8):
    loss = nn.functional.margin_ranking_loss(model(one)[:, 0], model(other)[:, 0], better, 0.5)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
