import torch

torch.manual_seed(11)
w1 = (torch.randn(6, 24) / 6**0.5).requires_grad_()
b1 = torch.zeros(24, requires_grad=True)
w2 = torch.zeros(24, 1, requires_grad=True)
weights = [w1, b1, w2]
speed = [torch.zeros_like(p) for p in weights]
k = torch.randn(6, 1)
for step in range(80):
    x = torch.randn(64, 6)
    y = torch.tanh(x @ k)
    err = torch.tanh(x @ w1 + b1) @ w2 - y
    loss = err.square().sum() / 2
    grads = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for p, v, g in zip(weights, speed, grads):
            v.mul_(0.8).sub_(g, alpha=8e-4)
            p.add_(v)
    if step % 16 == 15:
        print(step, loss.item())
