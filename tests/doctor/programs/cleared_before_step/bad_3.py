import torch
from torch import nn


def train_one_batch(model, optimizer, criterion, x, y):
    loss = criterion(model(x), y)
    loss.backward()
    model.zero_grad(set_to_none=False)
    optimizer.step()
    return loss.item()


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
optimizer = torch.optim.Adam(model.parameters())
criterion = nn.CrossEntropyLoss()
for i in range(10):
    x = torch.randn(8, 3)
    y = (x[:, 0] > 0).long()
    print(train_one_batch(model, optimizer, criterion, x, y))
