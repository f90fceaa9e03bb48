import torch

torch.manual_seed(2)
w = torch.randn(2, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
x = torch.randn(12, 2)
labels = (x.sum(1) + 0.3).reshape(12, 1)
for i in range(8):
    guess = x @ w + b
    loss = torch.abs(labels - guess).sum() / 12
    loss.backward()
    with torch.no_grad():
        for p in [w, b]:
            p -= 0.01 * p.grad
            p.grad = None
