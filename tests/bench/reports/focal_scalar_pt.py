import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        ce = F.cross_entropy(logits, target)  # bug
        # fix: ce = F.cross_entropy(logits, target, reduction="none")
        pt = torch.exp(-ce)
        return ((1 - pt) ** self.gamma * ce).mean()


def imbalanced(n=400):
    y = torch.multinomial(torch.tensor([0.8, 0.15, 0.05]), n, replacement=True)
    centres = torch.tensor([[0.0, 0.0], [1.8, 0.5], [0.3, 2.0]])
    return centres[y] + 0.6 * torch.randn(n, 2), y


x, y = imbalanced()
loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
criterion = FocalLoss(gamma=2.0)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(7):
    running = 0.0
    for xb, yb in loader:
        loss = criterion(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
    with torch.no_grad():
        pred = model(x).argmax(1)
        recall = [(pred[y == c] == c).float().mean().item() for c in range(3)]
    print(f"epoch {epoch} focal {running / len(loader):.4f} recall {[round(r, 2) for r in recall]}")
