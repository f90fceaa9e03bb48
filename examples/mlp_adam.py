"""Tell three interleaved spirals apart with a small network.

Training as it is usually written: a multilayer perceptron from ``nn.Sequential``, minibatches
from a ``DataLoader``, cross-entropy and ``torch.optim.Adam``. Every point of the plane belongs
to one of three spiral arms; 16 epochs over 600 points, 304 steps in all, are enough to get
nearly all of them right.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def spirals(points_per_arm):
    """Points on three spiral arms: positions (3 n, 2) and the arm of each (3 n,)."""
    radius = torch.linspace(0.1, 1.0, points_per_arm)
    positions, arms = [], []
    for arm in range(3):
        angle = 4.0 * radius + arm * 2 * torch.pi / 3 + 0.1 * torch.randn(points_per_arm)
        positions.append(torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1))
        arms.append(torch.full((points_per_arm,), arm))
    return torch.cat(positions), torch.cat(arms)


torch.manual_seed(0)
positions, arms = spirals(points_per_arm=200)
batches = DataLoader(TensorDataset(positions, arms), batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Linear(2, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 3),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

for epoch in range(16):
    for batch_positions, batch_arms in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(batch_positions), batch_arms)
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch:2d}   loss of its last batch {loss.item():.4f}")

with torch.no_grad():
    correct = (model(positions).argmax(dim=1) == arms).float().mean().item()
print(f"{correct:.1%} of the points are on the right arm")
