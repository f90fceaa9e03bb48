"""Fit a straight line to 100 noisy points by gradient descent: the classic first program."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

plt.switch_backend("agg")  # draw into a file, and wait for no window


class mylinermodel(nn.Module):
    def __init__(self, D_in, D_out):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(D_in, D_out))
        self.b1 = nn.Parameter(torch.randn(D_out))

    def forward(self, x):
        return x.mm(self.w1) + self.b1


def myloss(y_pred, y_true):
    return torch.mean((y_pred - y_true) ** 2 / 2)


class SGD:
    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def step(self):
        for param in self.params:
            param.data -= self.lr * param.grad.data

    def zero_grad(self):
        for param in self.params:
            if param.grad is not None:
                param.grad.data.zero_()


np.random.seed(0)
x = np.random.rand(100, 1)
y = 3 * x + 10 + np.random.rand(100, 1)
plt.scatter(x, y, s=14)
x = torch.from_numpy(x).float()
y = torch.from_numpy(y).float()
torch.manual_seed(0)
model = mylinermodel(1, 1)
optimizer = SGD(model.parameters(), lr=1e-2)

for t in range(5000):
    y_pred = model(x)
    loss = myloss(y_pred, y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()

w1, b1 = model.w1.item(), model.b1.item()
print(f"step {t}   loss {loss.item():.6f}, then y = {w1:.6f} x + {b1:.6f}")
plt.plot([0, 1], [b1, w1 + b1], "tab:red")
plt.savefig("linear_regression.png")
