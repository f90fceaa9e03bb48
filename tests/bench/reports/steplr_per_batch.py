import torch
import torch.nn as nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(39)


def checker(n=640):
    x = torch.rand(n, 2) * 4 - 2
    y = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    return x, y


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(
            nn.Linear(2, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 2)
        )

    def forward(self, x):
        return self.block(x)


x, y = checker()
train_loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
model = Classifier()
loss_fct = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = StepLR(optimizer, step_size=2, gamma=0.5)

for epoch in range(6):
    model.train()
    train_loss = 0.0
    for xb, yb in train_loader:
        preds = model(xb)
        loss = loss_fct(preds, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()  # bug
        train_loss += loss.item()
    # fix: scheduler.step()
    lr = optimizer.param_groups[0]["lr"]
    print(f"epoch {epoch} lr {lr:.2e} loss {train_loss / len(train_loader):.4f}")
