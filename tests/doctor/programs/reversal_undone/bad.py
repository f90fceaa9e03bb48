import torch
import torch.nn.functional as F
from torch import nn


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.strength * grad_output, None


torch.manual_seed(0)
features, head, domain = nn.Linear(6, 8), nn.Linear(8, 2), nn.Linear(8, 2)
parameters = [*features.parameters(), *head.parameters(), *domain.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.05)
for _ in range(8):
    x, source = torch.randn(32, 6), torch.randint(0, 2, (32,))
    hidden = features(x + source[:, None]).relu()
    loss = F.cross_entropy(head(hidden), (x[:, 0] > 0).long())
    loss = loss + F.cross_entropy(domain(Reverse.apply(hidden, 0.5)), source)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
