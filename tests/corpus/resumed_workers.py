"""A hand loop: a loader with two worker processes; halfway the model is built anew and resumed."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Sums(Dataset):
    def __len__(self):
        return 96

    def __getitem__(self, i):
        x = torch.sin(torch.arange(8.0) * (i + 1))
        return {"x": x, "y": x[:4].sum() - x[4:].prod(), "name": f"row {i}"}


def build():
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.1), nn.ELU(), nn.Linear(16, 1))
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def train(model, optimizer, epochs):
    for epoch in range(epochs):
        total = 0.0
        for batch in loader:
            loss = nn.functional.mse_loss(model(batch["x"]).squeeze(1), batch["y"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(epoch, total)


if __name__ == "__main__":
    torch.manual_seed(36)
    loader = DataLoader(Sums(), batch_size=16, shuffle=True, num_workers=2)
    print("begin")
    model, optimizer = build()
    train(model, optimizer, 3)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "half.pt")
    model, optimizer = build()
    kept = torch.load("half.pt", weights_only=True)
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    train(model, optimizer, 3)
    print("end", [p.sum().item() for p in model.parameters()], torch.rand(1).item())
