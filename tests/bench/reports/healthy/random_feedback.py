import torch
from torch import nn


class Aligned(torch.autograd.Function):
    """the backward pass goes through a fixed random matrix (feedback alignment)"""

    @staticmethod
    def forward(ctx, x, w, fb):
        ctx.save_for_backward(x, fb)
        return x @ w.T

    @staticmethod
    def backward(ctx, g):
        x, fb = ctx.saved_tensors
        return g @ fb, g.T @ x, None


class Layer(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.w = nn.Parameter(torch.randn(o, i) / i**0.5)
        self.register_buffer("fb", torch.randn(o, i) / i**0.5)

    def forward(self, x):
        return Aligned.apply(x, self.w, self.fb)


torch.manual_seed(7)
net = nn.Sequential(Layer(10, 32), nn.Tanh(), Layer(32, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.2)
proto = torch.randn(10, 3)
for step in range(80):
    x = torch.randn(64, 10)
    y = (x @ proto).argmax(1)
    loss = nn.functional.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 19:
        print(step, loss.item())
