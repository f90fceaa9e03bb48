import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(141)


class MomentumUpdater:
    def __init__(self, tau):
        self.tau = tau

    @torch.no_grad()
    def update(self, online, momentum):
        for op, mp in zip(online.parameters(), momentum.parameters()):
            mp.mul_(self.tau).add_(op, alpha=1 - self.tau)
        # fix: for ob, mb in zip(online.buffers(), momentum.buffers()):
        # fix: mb.copy_(ob)


class PointNet(nn.Module):
    def __init__(self, n_in=6, classes=3):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_in, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Linear(32, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
        )
        self.head = nn.Linear(32, classes)

    def forward(self, x):
        return self.head(self.layers(x))


centers = 4.0 * torch.randn(3, 6)


def source(n):
    y = torch.randint(0, 3, (n,))
    return 10 + centers[y] + torch.randn(n, 6), y


def target(n):
    y = torch.randint(0, 3, (n,))
    return 10.8 + 1.1 * centers[y] + 1.2 * torch.randn(n, 6), y


student = PointNet()
teacher = copy.deepcopy(student).requires_grad_(False).eval()
updater = MomentumUpdater(tau=0.95)
optimizer = torch.optim.SGD(student.parameters(), lr=0.02, momentum=0.9)
for it in range(10):
    xs, ys = source(48)
    xt, yt = target(48)
    with torch.no_grad():
        pseudo = teacher(xt).softmax(1)
    student.train()
    sup = F.cross_entropy(student(xs), ys)
    weight = min(1.0, it / 100)
    cons = F.cross_entropy(student(xt), pseudo)
    loss = sup + weight * cons
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    updater.update(student, teacher)
    if it % 40 == 39:
        with torch.no_grad():
            acc = (teacher(xt).argmax(1) == yt).float().mean().item()
        print(
            f"iter {it + 1} sup {sup.item():.4f} cons {cons.item():.4f} teacher acc on target {acc:.3f}"
        )
