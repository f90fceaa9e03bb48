import torch

torch.manual_seed(0)
W = torch.randn(3, 1, requires_grad=True).float() / 3**0.5
b = torch.zeros(1, requires_grad=True)
x, y = torch.randn(20, 3), torch.randn(20, 1)
for i in range(5):
    loss = ((x @ W + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        W -= 0.1 * W.grad
        b -= 0.1 * b.grad
        W.grad.zero_()
        b.grad.zero_()
