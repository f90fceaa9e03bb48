import torch

torch.manual_seed(0)
w = torch.randn(1, requires_grad=True)
x = torch.linspace(0, 1, 10)
for i in range(5):
    loss = ((w * x - 2 * x) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad.zero_()
