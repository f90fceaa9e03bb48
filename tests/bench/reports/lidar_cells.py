import torch
from torch import nn

torch.manual_seed(44)
NAMES = ["road", "building", "person"]
SHARE = torch.tensor([0.86, 0.12, 0.02])
mu = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.2, 0.0, 0.8, 0.0], [0.0, 1.3, 0.0, 1.0]])


def points(n):
    y = torch.multinomial(SHARE, n, replacement=True)
    return mu[y] + 0.8 * torch.randn(n, 4), y


class Trainer:
    eps = 1.02

    def __init__(self, n_class):
        self.net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, n_class))
        _, y = points(5000)
        content = torch.bincount(y, minlength=n_class).float() / len(y)
        self.weights = 1.0 / torch.log(1.0 / content + self.eps)  # bug
        # fix: self.weights = 1.0 / torch.log(content + self.eps)
        self.crit = nn.CrossEntropyLoss(weight=self.weights)
        self.opt = torch.optim.Adam(self.net.parameters(), lr=1e-2)

    def train(self, steps):
        for _ in range(steps):
            x, y = points(256)
            loss = self.crit(self.net(x), y)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
        return loss.item()

    @torch.no_grad()
    def recalls(self):
        x, y = points(6000)
        g = self.net(x).argmax(1)
        return [round((g[y == c] == c).float().mean().item(), 3) for c in range(3)]


t = Trainer(3)
print("weights", [round(v, 3) for v in t.weights.tolist()])
print("loss", round(t.train(80), 4))
print("recall", dict(zip(NAMES, t.recalls())))
