import torch

torch.manual_seed(0)
w = torch.randn(1, requires_grad=True)
x = torch.linspace(0, 1, 10)
y = 2 * x

for i in range(10):
    loss = ((w * x - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
