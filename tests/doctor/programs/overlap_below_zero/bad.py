import torch
from torch import nn

torch.manual_seed(0)
head = nn.Linear(8, 4)
optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
start = torch.rand(64, 2)
truth = torch.cat([start, start + 0.1 + 0.2 * torch.rand(64, 2)], 1)
x = torch.cat([truth, torch.randn(64, 4)], 1)


def area(box):
    return (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])


for step in range(8):
    guess = head(x).sigmoid()
    low, high = guess.chunk(2, 1)
    box = torch.cat([low, low + 0.3 * high], 1)
    first, last = torch.max(box[:, :2], truth[:, :2]), torch.min(box[:, 2:], truth[:, 2:])
    size = last - first
    both = size[:, 0] * size[:, 1]
    loss = (1 - both / (area(box) + area(truth) - both)).mean() + (box - truth).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
