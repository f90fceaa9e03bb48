import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import Optimizer

torch.manual_seed(40)


class Signum(Optimizer):
    """Sign of an exponential average of the gradient."""

    def __init__(self, params, lr=1e-3, momentum=0.9, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    def init_state(self, p):
        state = self.state[p]
        state["step"] = state.get("step", 0) + 1
        state["momentum_buffer"] = torch.zeros_like(p)  # bug
        # fix: if "momentum_buffer" not in state:
        # fix:     state["momentum_buffer"] = torch.zeros_like(p)
        return state

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.init_state(p)
                buf = state["momentum_buffer"]
                buf.mul_(group["momentum"]).add_(p.grad, alpha=1 - group["momentum"])
                if group["weight_decay"]:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(buf.sign(), alpha=-group["lr"])


net = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = Signum(net.parameters(), lr=3e-3, momentum=0.9)
coef = torch.tensor([0.5, -1.0, 0.8, 0.0, 0.3, -0.2])

for it in range(60):
    x = torch.randn(32, 6)
    y = (x @ coef + 0.3 * torch.sin(3 * x[:, 0])).unsqueeze(1) + 0.3 * torch.randn(32, 1)
    loss = F.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 10 == 0 or it == 59:
        print(f"it {it:2d} loss {loss.item():.4f}")
