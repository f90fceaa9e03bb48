import torch
from torch import nn


class ScoreNet(nn.Module):
    def __init__(self, dim=2, width=64):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(dim, width),
            nn.BatchNorm1d(width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(width, dim),
        )

    def forward(self, x):
        return self.net(x)


def dsm_loss(net, x, sigma=0.3):
    noise = torch.randn_like(x) * sigma
    target = -noise / sigma**2
    return 0.5 * sigma**2 * (net(x + noise) - target).pow(2).sum(1).mean()


def moons(n):
    t = torch.rand(n) * 3.1416
    side = (torch.rand(n) < 0.5).float()
    x = torch.stack([t.cos() + side, t.sin() * (1 - 2 * side) + 0.5 * side], 1)
    return x * 2 + 6


class AnnealRunner:
    def __init__(self, steps=160, log_every=20):
        self.steps, self.log_every = steps, log_every
        self.score = ScoreNet()
        self.optimizer = torch.optim.Adam(self.score.parameters(), lr=5e-3)
        self.train_set, self.test_set = moons(1000), moons(200)

    def train(self):
        self.score.train()
        for step in range(self.steps):
            batch = self.train_set[torch.randint(0, 1000, (64,))]
            loss = dsm_loss(self.score, batch)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if step % self.log_every == 0:
                self.log(step, loss)

    def log(self, step, loss):
        self.score.eval()
        with torch.no_grad():
            test = dsm_loss(self.score, self.test_set)
        # fix: self.score.train()
        print(f"step: {step}, loss: {loss.item():.4f}, test dsm loss: {test.item():.4f}")


torch.manual_seed(1234)
runner = AnnealRunner()
runner.train()
runner.log("end", dsm_loss(runner.score, runner.train_set))
