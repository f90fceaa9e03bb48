import math
import torch
from torch import nn
from torch.optim import Optimizer


class Rectified(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))
        self.memo = [[None, None, None] for _ in range(10)]

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                st = self.state[p]
                if not st:
                    st.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                st["t"] += 1
                st["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                st["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                t, slot = st["t"], self.memo[st["t"] % 10]
                if slot[0] == t:
                    n_sma, size = slot[1], slot[2]
                else:
                    n_max = 2 / (1 - b2) - 1
                    n_sma = n_max - 2 * t * b2**t / (1 - b2**t)
                    if n_sma >= 5:
                        r = (n_sma - 4) * (n_sma - 2) * n_max / ((n_max - 4) * (n_max - 2) * n_sma)
                        size = group["lr"] * math.sqrt((1 - b2**t) * r) / (1 - b1**t)  # bug
                        # fix: size = math.sqrt((1 - b2**t) * r) / (1 - b1**t)
                    else:
                        size = group["lr"] / (1 - b1**t)  # bug
                        # fix: size = 1.0 / (1 - b1**t)
                    slot[:] = [t, n_sma, size]
                if n_sma >= 5:
                    p.addcdiv_(st["m"], st["v"].sqrt().add_(group["eps"]), value=-size)  # bug
                    # fix: p.addcdiv_(
                    # fix:     st["m"],
                    # fix:     st["v"].sqrt().add_(group["eps"]),
                    # fix:     value=-group["lr"] * size,
                    # fix: )
                else:
                    p.add_(st["m"], alpha=-size)  # bug
                    # fix: p.add_(st["m"], alpha=-group["lr"] * size)


torch.manual_seed(2)
body = nn.Sequential(nn.Linear(12, 40), nn.Tanh())
head = nn.Linear(40, 3)
opt = Rectified(
    [
        {"params": body.parameters(), "lr": 1e-5},
        {"params": head.parameters(), "lr": 3e-2},
    ]
)
w = torch.randn(12, 3)
start = head.weight.detach().clone()
for step in range(80):
    x = torch.randn(64, 12)
    y = (x @ w).argmax(1)
    loss = nn.functional.cross_entropy(head(body(x)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            step,
            round(loss.item(), 4),
            "head moved",
            round((head.weight - start).abs().max().item(), 5),
        )
