import torch
from torch import nn
from torch.utils.data import Dataset, DataLoader, random_split


class Leaves(Dataset):
    def __init__(self, n, transform=None):
        g = torch.Generator().manual_seed(1)
        self.y = torch.randint(0, 3, (n,), generator=g)
        proto = torch.randn(3, 20, generator=g)
        self.x = proto[self.y] + 0.7 * torch.randn(n, 20, generator=g)
        self.transform = transform

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        x = self.x[i]
        return (self.transform(x) if self.transform else x), self.y[i]


def lighting(x):
    return x * (0.5 + torch.rand(())) + 6 * torch.randn(())


def plain(x):
    return x


torch.manual_seed(0)
full = Leaves(360, transform=lighting)
train_set, val_set = random_split(full, [280, 80])
val_set.dataset.transform = plain  # bug
# fix: val_set.dataset = Leaves(360, transform=plain)

net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
loader = DataLoader(train_set, batch_size=40, shuffle=True)
for epoch in range(11):
    offsets = []
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        offsets.append(x.mean(1).std().item())
    if epoch % 2 == 0:
        print(
            "epoch",
            epoch,
            "loss",
            round(loss.item(), 4),
            "brightness spread",
            round(sum(offsets) / len(offsets), 3),
        )


def score(tf):
    x = torch.stack([tf(full.x[i]) for i in val_set.indices])
    return (net(x).argmax(1) == full.y[val_set.indices]).float().mean().item()


print("val plain", round(score(plain), 3), "val other light", round(score(lighting), 3))
