import torch
import torch.nn as nn
import torch.nn.functional as F


class Main(nn.Module):
    def __init__(self, i=4, o=2):
        super().__init__()
        self.layer = nn.Linear(i, o)

    def run(self, x, w, b):
        self.layer.weight = nn.Parameter(w)  # bug
        self.layer.bias = nn.Parameter(b)  # bug
        return self.layer(x)  # bug
        # fix: return F.linear(x, w, b)


class Hyper(nn.Module):
    def __init__(self, code=3, i=4, o=2):
        super().__init__()
        self.i, self.o = i, o
        self.net = nn.Sequential(nn.Linear(code, 32), nn.Tanh(), nn.Linear(32, i * o + o))

    def forward(self, z):
        flat = self.net(z)
        return flat[: self.i * self.o].view(self.o, self.i), flat[self.i * self.o :]


torch.manual_seed(27)
hyper, main = Hyper(), Main()
opt = torch.optim.Adam(hyper.parameters(), lr=1e-2)
codes = torch.eye(3)
true_w = torch.randn(3, 2, 4)
losses = []
for step in range(80):
    total = 0.0
    for task in range(3):
        x = torch.randn(16, 4)
        w, b = hyper(codes[task])
        pred = main.run(x, w, b)
        total = total + F.mse_loss(pred, x @ true_w[task].T)
    opt.zero_grad()
    total.backward()
    opt.step()
    losses.append(total.item() / 3)
    if step % 16 == 15:
        print(step, "loss", round(sum(losses[-8:]) / 8, 4))
