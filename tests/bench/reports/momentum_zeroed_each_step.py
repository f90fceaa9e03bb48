import torch
from torch import nn
from torch.optim import Optimizer


class SignSGD(Optimizer):
    def __init__(self, params, lr=1e-3, momentum=0.9, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    def init_group(self, group):
        for p in group["params"]:
            if p.grad is None:
                continue
            state = self.state[p]
            if group["momentum"] > 0.0:  # bug
                # fix: if group["momentum"] > 0.0 and "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.init_group(group)
            for p in group["params"]:
                if p.grad is None:
                    continue
                if group["weight_decay"]:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                if group["momentum"] > 0.0:
                    buf = self.state[p]["momentum_buffer"]
                    buf.mul_(group["momentum"]).add_(p.grad, alpha=1.0 - group["momentum"])
                else:
                    buf = p.grad
                p.add_(torch.sign(buf), alpha=-group["lr"])
        return loss


def noisy_batch(n, w):
    x = torch.randn(n, 20)
    return x, x @ w + 2.0 * torch.randn(n, 1)


def run(momentum, steps=300):
    torch.manual_seed(81)
    w = torch.randn(20, 1)
    model = nn.Linear(20, 1)
    optimizer = SignSGD(model.parameters(), lr=5e-3, momentum=momentum)
    for step in range(steps):
        x, y = noisy_batch(8, w)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if step % 60 == 59:
            print(
                f"momentum {momentum} step {step + 1} loss {loss.item():.4f} error of w {(model.weight.t() - w).norm().item():.4f}"
            )


run(momentum=0.95)
