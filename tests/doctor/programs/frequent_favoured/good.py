import torch
from torch import nn

torch.manual_seed(0)
labels = torch.tensor([0] * 80 + [1] * 16 + [2] * 4)
inputs = torch.randn(100, 5) + labels[:, None]
counts = torch.bincount(labels).float()
weight = counts.sum() / (3 * counts)
criterion, net = nn.CrossEntropyLoss(weight=weight), nn.Linear(5, 3)
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for rows in torch.randperm(600).remainder(100).split(50):
    loss = criterion(net(inputs[rows]), labels[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
