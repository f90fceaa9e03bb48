"""The line fit of ``linear_regression.py``, recorded through the Python API.

Three lines are new: ``lens.record`` opens the recording, ``run.watch`` names the model, the
loss and the optimizer that are to be watched (they stay what they are), and ``run.steps``
counts the turns of the loop. What is computed is the same to the last bit.
"""

import numpy as np
import torch
from torch import nn

import autograd_lens as lens


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
x = torch.from_numpy(x).float()
y = torch.from_numpy(y).float()
torch.manual_seed(0)
model = mylinermodel(1, 1)
optimizer = SGD(model.parameters(), lr=1e-2)

with lens.record("linear.lens") as run:
    model, loss_fn, optimizer = run.watch(model, myloss, optimizer)
    for _ in run.steps(5000):
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

print(f"loss {loss.item():.6f}, then y = {model.w1.item():.6f} x + {model.b1.item():.6f}")
