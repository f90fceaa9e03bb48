import torch
import torch.nn as nn
import torch.nn.functional as F


def focal_loss(input_values, gamma):
    p = torch.exp(-input_values)
    loss = (1 - p) ** gamma * input_values
    return loss.mean()


class FocalLoss(nn.Module):
    def __init__(self, weight=None, gamma=2.0):
        super().__init__()
        self.gamma = gamma
        self.weight = weight

    def forward(self, logits, target):
        return focal_loss(F.cross_entropy(logits, target, weight=self.weight), self.gamma)  # bug
        # fix: return focal_loss(
        # fix: F.cross_entropy(logits, target, weight=self.weight, reduction="none"), self.gamma
        # fix: )


def long_tail(counts, dim, centers):
    xs, ys = [], []
    for label, n in enumerate(counts):
        xs.append(centers[label] + 1.1 * torch.randn(n, dim))
        ys.append(torch.full((n,), label))
    return torch.cat(xs), torch.cat(ys)


class Net(nn.Module):
    def __init__(self, dim, classes):
        super().__init__()
        self.fc1 = nn.Linear(dim, 40)
        self.bn = nn.BatchNorm1d(40)
        self.fc2 = nn.Linear(40, classes)

    def forward(self, x):
        return self.fc2(F.relu(self.bn(self.fc1(x))))


torch.manual_seed(33)
centers = torch.randn(5, 10)
x, y = long_tail([600, 300, 120, 40, 15], 10, centers)
x_val, y_val = long_tail([60] * 5, 10, centers)
model, criterion = Net(10, 5), FocalLoss(gamma=2.0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
for epoch in range(10):
    model.train()
    meter = []
    for idx in torch.randperm(len(x)).split(64):
        loss = criterion(model(x[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        meter.append(loss.item())
    model.eval()
    with torch.no_grad():
        pred = model(x_val).argmax(1)
        per_class = [(pred[y_val == c] == c).float().mean().item() for c in range(5)]
    print(
        f"Epoch [{epoch}] focal {sum(meter) / len(meter):.4f} per class "
        + " ".join(f"{a:.2f}" for a in per_class)
    )
