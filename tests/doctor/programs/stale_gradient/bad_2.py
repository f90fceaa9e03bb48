import torch

torch.manual_seed(1)
w = torch.randn(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
x = torch.linspace(0, 1, 10)
y = 2 * x - 1

for i in range(15):
    error = w * x + b - y
    loss = (error * error).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.05 * w.grad
        b -= 0.05 * b.grad
    w.grad.zero_()  # and b?
