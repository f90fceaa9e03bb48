"""Tell three kinds of small pictures apart with a residual network.

Lines across, lines down, and squares, 12 by 12 pixels under noise. Two residual blocks with batch
norm, SGD with momentum, 40 steps.
"""

import torch
from torch import nn


def pictures(count):
    """Noisy pictures (n, 1, 12, 12) and the kind of each (n,)."""
    kinds = torch.randint(3, (count,))
    images = 0.3 * torch.randn(count, 1, 12, 12)
    for image, kind, place in zip(images, kinds, torch.randint(1, 8, (count,)), strict=True):
        rows = slice(place, place + (1 if kind == 0 else 4))
        columns = slice(place, place + (1 if kind == 1 else 4))
        image[0, rows, columns] += 2.0
    return images, kinds


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.norm(self.first(x)))))


torch.manual_seed(0)
images, kinds = pictures(320)
model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1),
    Block(8),
    nn.MaxPool2d(2),
    Block(8),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(8, 3),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(40):
    chosen = torch.randint(320, (32,))
    loss = nn.functional.cross_entropy(model(images[chosen]), kinds[chosen])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    right = (model(images).argmax(1) == kinds).float().mean().item()
print(f"loss {loss.item():.3f}, {right:.0%} of the pictures are named rightly")
