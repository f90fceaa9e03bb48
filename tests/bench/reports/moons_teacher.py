import copy
import torch
from torch import nn
import torch.nn.functional as F


class Average:
    def __init__(self, model, decay=0.95):
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay
        self.optimization_step = 0

    @torch.no_grad()
    def step(self, live):
        self.optimization_step += 1
        value = (1 + self.optimization_step) / (10 + self.optimization_step)
        self.decay = 1 - min(self.decay, value)  # bug
        # fix: weight = 1 - min(self.decay, value)
        for a, b in zip(self.model.parameters(), live.parameters()):
            a.sub_(self.decay * (a - b))  # bug
            # fix: a.sub_(weight * (a - b))
        return self.decay  # bug
        # fix: return weight


def data(n, flip=0.25):
    x = torch.randn(n, 2)
    y = (x[:, 0] * x[:, 1] > 0).long()
    noisy = torch.where(torch.rand(n) < flip, 1 - y, y)
    return x, noisy, y


torch.manual_seed(26)
net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
ema = Average(net)
opt = torch.optim.SGD(net.parameters(), lr=1.0)
xt, _, yt = data(1000)
for it in range(80):
    x, y, _ = data(12)
    u, _, _ = data(32)
    out = net(x)
    with torch.no_grad():
        soft = ema.model(u).softmax(1)
    cons = F.mse_loss(net(u).softmax(1), soft)
    loss = F.cross_entropy(out, y) + 1.0 * cons
    opt.zero_grad()
    loss.backward()
    opt.step()
    used = ema.step(net)
    if it % 10 == 9:
        e = [(m(xt).argmax(1) != yt).float().mean().item() for m in (net, ema.model)]
        print(
            it,
            f"loss {loss.item():.3f} consistency {cons.item():.4f} student err {e[0]:.3f} teacher err {e[1]:.3f} share of student {used:.3f}",
        )
