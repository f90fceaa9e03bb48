"""A custom autograd Function whose backward is wrong: the loss falls all the same.

``Swish`` is ``x * sigmoid(x)`` with a backward by hand, to save memory. The backward has forgotten
that the sigmoid depends on ``x`` as well.
"""

import torch
from torch import nn


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * torch.sigmoid(x)


torch.manual_seed(0)
x = torch.linspace(-2, 2, 16).unsqueeze(1)
y = x.abs()
first, second = nn.Linear(1, 8), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
for _ in range(60):
    loss = nn.functional.mse_loss(second(Swish.apply(first(x))), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.4f}")
