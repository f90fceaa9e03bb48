import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)


class Sw(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * (s * (1 + x * (1 - s)))


class Rev(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -0.1 * g


f, g, d = nn.Linear(6, 4), nn.Linear(4, 2), nn.Linear(4, 2)
o = torch.optim.SGD([*f.parameters(), *g.parameters(), *d.parameters()], lr=0.1)
x = torch.randn(32, 6)
y = (x[:, 0] > 0).long()
for i in range(24):
    z = Sw.apply(f(x))
    l = F.cross_entropy(g(z), y) + F.cross_entropy(d(Rev.apply(z)), 1 - y)
    o.zero_grad()
    l.backward()
    o.step()
