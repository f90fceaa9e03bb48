import torch

torch.manual_seed(0)
xs = torch.rand(30)
ys = 2 * xs + 1
w = torch.zeros(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(3):
    for x, y in zip(xs, ys):
        loss = (w * x + b - y) ** 2
        loss.backward()
        with torch.no_grad():
            w -= 0.05 * w.grad
            b -= 0.05 * b.grad
            w.grad.zero_()
            b.grad.zero_()
