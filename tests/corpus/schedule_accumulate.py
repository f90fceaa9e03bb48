"""A hand loop: AdamW with warm-up and cosine, accumulation, clipping, evaluation."""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(1)
x = torch.randn(320, 12)
y = (x[:, :4].sum(1) > 0).long() + (x[:, 4:8].sum(1) > 0).long()
train = DataLoader(TensorDataset(x[:256], y[:256]), batch_size=16, shuffle=True)
held_out = DataLoader(TensorDataset(x[256:], y[256:]), batch_size=32)
model = nn.Sequential(nn.Linear(12, 48), nn.GELU(), nn.Dropout(0.1), nn.Linear(48, 3))
decayed = [p for p in model.parameters() if p.dim() > 1]
rest = [p for p in model.parameters() if p.dim() == 1]
optimizer = torch.optim.AdamW(
    [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=3e-3
)
updates, total = 0, 48


def rate(step):
    return (step + 1) / 8 if step < 8 else 0.5 * (1 + math.cos(math.pi * (step - 8) / (total - 8)))


scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
print("begin")
for epoch in range(6):
    model.train()
    for i, (bx, by) in enumerate(train):
        loss = nn.functional.cross_entropy(model(bx), by) / 2
        loss.backward()
        if i % 2:
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        right = sum((model(bx).argmax(1) == by).sum().item() for bx, by in held_out)
    print(epoch, loss.item(), norm.item(), scheduler.get_last_lr(), right)
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "last.pt")
print("end", [p.sum().item() for p in model.parameters()], torch.rand(1).item())
