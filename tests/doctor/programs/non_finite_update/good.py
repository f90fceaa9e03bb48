import torch


class Momentum:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self):
        with torch.no_grad():
            for p in self.params:
                p -= self.lr * p.grad / (p.grad.abs().max() + 1e-8)

    def zero_grad(self):
        for p in self.params:
            p.grad = None


torch.manual_seed(0)
w = torch.randn(1, 1, requires_grad=True)
x = torch.rand(10, 1)
opt = Momentum([w], 0.01)
for i in range(5):
    loss = ((x @ w - 2 * x) ** 2).mean()
    loss.backward()
    opt.step()
    opt.zero_grad()
