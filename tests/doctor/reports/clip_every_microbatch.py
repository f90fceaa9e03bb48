import torch
from torch import nn

torch.manual_seed(103)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
images = torch.randn(160, 8)
labels = images[:, :4].argmax(1)
accumulate = 4
for epoch in range(2):
    for i, start in enumerate(range(0, 160, 10)):
        out = model(images[start : start + 10])
        loss = nn.functional.cross_entropy(out, labels[start : start + 10]) / accumulate
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)  # bug
        if (i + 1) % accumulate == 0:
            # fix: torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            optimizer.zero_grad()
    print(epoch, loss.item())
