import torch
from torch import nn


class PairTransform:
    def __init__(self, mean=0.5, std=0.5):
        self.mean, self.std = mean, std

    def norm(self, t):
        return (t - self.mean) / self.std

    def __call__(self, image, mask):
        if torch.rand(()) < 0.5:
            image, mask = image.flip(-1), mask.flip(-1)
        return self.norm(image), self.norm(mask)  # bug
        # fix: return self.norm(image), mask


class Polyps(torch.utils.data.Dataset):
    def __init__(self, n, tf):
        self.n, self.tf = n, tf
        g = torch.Generator().manual_seed(3)
        self.c = torch.rand(n, 2, generator=g) * 10 + 3
        self.noise = torch.rand(n, 1, 16, 16, generator=g) * 0.5

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        yy, xx = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
        mask = (((yy - self.c[i, 0]) ** 2 + (xx - self.c[i, 1]) ** 2) < 10).float()[None]
        return self.tf(self.noise[i] + 0.4 * mask, mask)


class SegTrainer:
    def __init__(self, net, loader, lr):
        self.net, self.loader = net, loader
        self.crit = nn.BCEWithLogitsLoss()
        self.opt = torch.optim.Adam(net.parameters(), lr=lr)

    def fit(self, epochs):
        for e in range(epochs):
            for x, m in self.loader:
                out = self.net(x)
                loss = self.crit(out, m)
                self.opt.zero_grad()
                loss.backward()
                self.opt.step()
            hit = ((out > 0) & (m > 0.5)).sum().item()
            dice = 2 * hit / ((out > 0).sum() + (m > 0.5).sum()).clamp(min=1).item()
            print(
                f"epoch {e} loss {loss.item():.4f} dice {dice:.3f} biggest logit {out.abs().max().item():.2f}"
            )


torch.manual_seed(5)
net = nn.Sequential(
    nn.Conv2d(1, 12, 5, padding=2),
    nn.ReLU(),
    nn.Conv2d(12, 12, 5, padding=2),
    nn.ReLU(),
    nn.Conv2d(12, 1, 1),
)
SegTrainer(
    net,
    torch.utils.data.DataLoader(Polyps(128, PairTransform()), batch_size=16, shuffle=True),
    5e-3,
).fit(8)
