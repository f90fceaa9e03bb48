import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Beta

torch.manual_seed(46)

CLASSES = 5
centres = torch.randn(CLASSES, 8) * 1.5
beta = Beta(1.0, 1.0)


def random_shuffle(t):  # bug
    return t[torch.randperm(t.size(0))]  # bug


# bug
# bug
def mixup(x, y):
    lam = beta.sample((x.size(0), 1))
    x_mix = lam * x + (1 - lam) * random_shuffle(x)  # bug
    y_mix = lam * y + (1 - lam) * random_shuffle(y)  # bug
    # fix: order = torch.randperm(x.size(0))
    # fix: x_mix = lam * x + (1 - lam) * x[order]
    # fix: y_mix = lam * y + (1 - lam) * y[order]
    return x_mix, y_mix


def labelled(n):
    y = torch.randint(0, CLASSES, (n,))
    return centres[y] + 0.5 * torch.randn(n, 8), F.one_hot(y, CLASSES).float()


net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, CLASSES))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

for step in range(60):
    x, y = labelled(128)
    x_mix, y_mix = mixup(x, y)
    loss = F.cross_entropy(net(x_mix), y_mix)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} mixup loss {loss.item():.4f}")
