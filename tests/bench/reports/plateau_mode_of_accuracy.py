from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau


@dataclass
class Config:
    seed: int = 5
    lr: float = 0.05
    patience: int = 1
    factor: float = 0.2
    epochs: int = 16
    batch: int = 50


class SmallMlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 5)
        )

    def forward(self, x):
        return self.layers(x)


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        acc = (model(x).argmax(dim=1) == y).float().mean().item()
    model.train()
    return acc


def main(cfg):
    torch.manual_seed(cfg.seed)
    teacher = nn.Sequential(nn.Linear(16, 20), nn.Tanh(), nn.Linear(20, 5))
    x = torch.randn(1500, 16)
    y = (teacher(x * 1.5).detach() * 4).argmax(1)
    x_train, y_train, x_val, y_val = x[:1000], y[:1000], x[1000:], y[1000:]
    model = SmallMlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=cfg.lr, momentum=0.8)
    scheduler = ReduceLROnPlateau(optimizer, factor=cfg.factor, patience=cfg.patience)  # bug
    # fix: scheduler = ReduceLROnPlateau(optimizer, mode="max", factor=cfg.factor, patience=cfg.patience)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(cfg.epochs):
        running = 0.0
        for idx in torch.randperm(1000).split(cfg.batch):
            optimizer.zero_grad()
            loss = loss_fn(model(x_train[idx]), y_train[idx])
            loss.backward()
            optimizer.step()
            running += loss.item()
        val_acc = evaluate(model, x_val, y_val)
        scheduler.step(val_acc)
        print(
            f"epoch {epoch:2d} train {running * cfg.batch / 1000:.4f} val acc {val_acc:.3f} lr {optimizer.param_groups[0]['lr']:.2e}"
        )


if __name__ == "__main__":
    main(Config())
