import torch


class SGD:
    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def step(self):
        for p in self.params:
            p.data -= self.lr * p.grad.data

    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.data.zero_()


torch.manual_seed(0)
w = torch.randn(2, 1, requires_grad=True)
x = torch.rand(16, 2)
y = x.sum(1, keepdim=True)
optim = SGD([w], lr=0.1)
for step in range(10):
    optim.zero_grad()
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    optim.step()
