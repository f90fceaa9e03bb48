import torch
from torch import nn


class Momentum(torch.optim.Optimizer):
    def __init__(self, parameters, lr=0.01):
        super().__init__(parameters, {"lr": lr})
        self.buffers = {}

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.buffers.setdefault(p.shape, torch.zeros_like(p))
                buffer.mul_(0.9).add_(p.grad)
                p.add_(buffer, alpha=-group["lr"])


torch.manual_seed(0)
net = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
optimizer = Momentum(net.parameters())
for _ in range(6):
    x = torch.randn(32, 6)
    loss = ((net(x) - x.flip(1)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
