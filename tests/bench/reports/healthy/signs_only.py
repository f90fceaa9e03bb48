import torch
import torch.nn as nn


class SignDescent(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, beta=0.9):
        super().__init__(params, dict(lr=lr, beta=beta))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                st = self.state[p]
                m = st.setdefault("m", torch.zeros_like(p))
                m.mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                p.add_(m.sign(), alpha=-group["lr"])


torch.manual_seed(106)
net = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 3))
opt = SignDescent(net.parameters(), lr=5e-3)
W = torch.randn(5, 3)
for step in range(60):
    x = torch.randn(100, 5)
    loss = nn.functional.cross_entropy(net(x), (x @ W).argmax(1), reduction="sum")
    net.zero_grad()
    loss.backward()
    opt.step()
    if step % 12 == 11:
        print(f"step {step} summed loss {loss.item():.3f}")
