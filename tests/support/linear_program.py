"""The program of the linear regression, as text with positions."""

from __future__ import annotations

from autograd_lens.trace.records import Source

FILE = "linear_regression.py"
SOURCE = '''\
"""Fit a straight line by gradient descent."""

import numpy as np
import torch


class mylinermodel(torch.nn.Module):
    def __init__(self, D_in, D_out):
        super().__init__()
        self.w1 = torch.nn.Parameter(torch.randn(D_in, D_out))
        self.b1 = torch.nn.Parameter(torch.randn(D_out))

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
torch.manual_seed(0)
x = np.random.rand(100, 1)
y = 3 * x + 10 + np.random.rand(100, 1)
x, y = torch.from_numpy(x).float(), torch.from_numpy(y).float()

model = mylinermodel(1, 1)
optimizer = SGD(model.parameters(), lr=1e-2)
for t in range(5000):
    y_pred = model(x)
    loss = myloss(y_pred, y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
'''
_FUNCTIONS = {14: "forward", 18: "myloss", 28: "step", 33: "zero_grad"}


def source(snippet: str) -> Source:
    """The position of a piece of ``SOURCE``, which must occur there."""
    start = SOURCE.index(snippet)
    line = SOURCE.count("\n", 0, start) + 1
    column = start - (SOURCE.rfind("\n", 0, start) + 1)
    function = _FUNCTIONS.get(line, "<module>")
    return Source(FILE, line, line, column, column + len(snippet), function)
