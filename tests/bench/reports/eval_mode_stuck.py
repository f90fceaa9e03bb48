import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(43)

X = torch.randn(600, 12)
Y = (X[:, :4].sum(1) + X[:, 4] * X[:, 5] > 0).long()
train_dataloader = DataLoader(TensorDataset(X[:480], Y[:480]), batch_size=60, shuffle=True)
test_dataloader = DataLoader(TensorDataset(X[480:], Y[480:]), batch_size=60)


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.stack = nn.Sequential(
            nn.Linear(12, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 2)
        )

    def forward(self, x):
        return self.stack(x)


model = NeuralNetwork()
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)


def train(dataloader):
    # fix: model.train()
    total = 0.0
    for x, y in dataloader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(dataloader)


def test(dataloader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in dataloader:
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(dataloader.dataset)


for t in range(6):
    loss = train(train_dataloader)
    acc = test(test_dataloader)
    print(f"epoch {t + 1} train loss {loss:.4f} test acc {acc:.3f}")
