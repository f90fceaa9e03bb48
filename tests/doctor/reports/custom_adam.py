import torch
import torch.nn as nn
from torch.optim import Optimizer

torch.manual_seed(29)


class PlainAdam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p)
                    state["exp_avg_sq"] = torch.zeros_like(p)
                state["step"] += 1
                m, v = state["exp_avg"], state["exp_avg_sq"]
                m.mul_(b1).add_(p.grad, alpha=1 - b1)
                v.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                m_hat = m.div_(1 - b1 ** state["step"])  # bug
                # fix: m_hat = m.div(1 - b1 ** state["step"])
                v_hat = v.div(1 - b2 ** state["step"])
                p.addcdiv_(m_hat, v_hat.sqrt() + group["eps"], value=-group["lr"])


x = torch.randn(256, 6)
y = torch.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]

net = nn.Sequential(nn.Linear(6, 48), nn.Tanh(), nn.Linear(48, 1))
optimizer = PlainAdam(net.parameters(), lr=3e-3)
for step in range(50):
    idx = torch.randint(0, 256, (64,))
    loss = nn.functional.mse_loss(net(x[idx]), y[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 0 or step == 49:
        print(f"step {step:2d}  loss {loss.item():.4f}")
