import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(6)


class TinySeg(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.mid = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.outc = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        feat = self.mid(self.inc(x))
        return self.outc(feat), feat


def scans(n, gain=1.0, offset=0.0):
    y = torch.zeros(n, 12, 12, dtype=torch.long)
    for i in range(n):
        r, c = torch.randint(1, 6, (2,)).tolist()
        y[i, r : r + 5, c : c + 5] = 1
    x = y.float() + 0.3 * torch.randn(n, 12, 12)
    return (gain * x + offset).unsqueeze(1), y


def train_source(model, steps=60):
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        x, y = scans(16)
        loss = F.cross_entropy(model(x)[0], y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"source loss {loss.item():.4f}")


class Adapter:
    def __init__(self, source):
        self.source = source.eval()
        self.model = copy.deepcopy(source)
        self.model.outc.requires_grad = False  # bug
        # fix: self.model.outc.requires_grad_(False)
        self.opt = torch.optim.Adam(self.model.parameters(), lr=5e-3)

    def step(self, x, x_source):
        logits, feat = self.model(x)
        p = logits.softmax(1)
        entropy = -(p * p.clamp_min(1e-6).log()).sum(1).mean()
        balance = (p.mean((0, 2, 3)) - torch.tensor([0.83, 0.17])).pow(2).sum()
        with torch.no_grad():
            _, ref = self.source(x_source)
        align = (feat.mean((0, 2, 3)) - ref.mean((0, 2, 3))).pow(2).mean()
        loss = align + 0.3 * entropy + balance
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.item()


source = TinySeg()
train_source(source)
before = source.outc.weight.detach().clone()
adapter = Adapter(source)
for it in range(50):
    loss = adapter.step(scans(16, gain=0.6, offset=0.4)[0], scans(16)[0])
    if it % 10 == 9:
        x, y = scans(32, gain=0.6, offset=0.4)
        acc = (adapter.model(x)[0].argmax(1) == y).float().mean().item()
        print(f"iter {it + 1} loss {loss:.4f} target acc {acc:.3f}")
print("last layer moved by", round((adapter.model.outc.weight - before).abs().max().item(), 5))
