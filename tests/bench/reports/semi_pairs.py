import itertools  # bug
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

torch.manual_seed(6)
mix = torch.randn(3, 30)


class Corrupted(Dataset):
    """every look at a row drops another random part of it"""

    def __init__(self, n):
        self.rows = torch.randn(n, 3) @ mix

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        keep = (torch.rand(30) > 0.5).float()
        return self.rows[i] * keep, self.rows[i]


# fix: def endless(loader):
# fix:     while True:
# fix:         yield from loader
ds = Corrupted(24)
stream = itertools.cycle(DataLoader(ds, batch_size=12, shuffle=True))  # bug
# fix: stream = endless(DataLoader(ds, batch_size=12, shuffle=True))
net = nn.Sequential(nn.Linear(30, 256), nn.ReLU(), nn.Linear(256, 30))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(80):
    x, y = next(stream)
    loss = nn.functional.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        fresh = torch.stack([ds[i % 24][0] for i in range(96)])
        clean = torch.stack([ds.rows[i % 24] for i in range(96)])
        with torch.no_grad():
            e = nn.functional.mse_loss(net(fresh), clean).item()
        print(step, "train", round(loss.item(), 4), "fresh corruption", round(e, 4))
