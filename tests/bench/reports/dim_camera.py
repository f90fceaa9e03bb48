import numpy as np
import torch
from torch.utils.data import Dataset, DataLoader

rng = np.random.default_rng(9)
BACK = rng.integers(90, 130, size=(12, 12)).astype(np.uint8)


class Frames(Dataset):
    def __init__(self, n):
        self.items = []
        yy, xx = np.mgrid[:12, :12]
        for _ in range(n):
            cy, cx = rng.uniform(2, 10, 2)
            amp = rng.uniform(-50, 50)
            blob = amp * np.exp(-((yy - cy) ** 2 + (xx - cx) ** 2) / 8)
            frame = np.clip(BACK + blob + rng.normal(0, 2, (12, 12)), 0, 255).astype(np.uint8)
            self.items.append((frame, amp / 50))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        frame, amp = self.items[i]
        diff = frame - BACK  # bug
        # fix: diff = frame.astype(np.float32) - BACK
        return torch.from_numpy(diff.astype(np.float32) / 64.0)[None], torch.tensor(
            amp, dtype=torch.float32
        )


torch.manual_seed(0)
loader = DataLoader(Frames(320), batch_size=32, shuffle=True)
net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 8, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.Conv2d(8, 8, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.AdaptiveAvgPool2d(3),
    torch.nn.Flatten(),
    torch.nn.Linear(72, 1),
)
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(8):
    total, scale = 0.0, 0.0
    for x, y in loader:
        loss = torch.nn.functional.mse_loss(net(x).squeeze(1), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(x)
        scale += x.mean().item()
    print(
        "epoch",
        epoch,
        "mse",
        round(total / 320, 4),
        "mean input",
        round(scale / len(loader), 3),
    )
