import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)


class Descent:
    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        with torch.no_grad():
            for p in self.params:
                p.add_(p.grad, alpha=self.lr)  # bug
                # fix: p.add_(p.grad,alpha=-self.lr)


m = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
opt = Descent(m.parameters(), 0.01)
x = torch.randn(64, 5)
y = x[:, :1] * 2
for s in range(40):
    loss = F.mse_loss(m(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
