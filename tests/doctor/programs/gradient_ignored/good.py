import torch
from torch import nn


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


torch.manual_seed(0)
model = nn.Linear(3, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(20, 3)
for _ in range(10):
    loss = (Square.apply(model(x)).sum(1) - 1).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
