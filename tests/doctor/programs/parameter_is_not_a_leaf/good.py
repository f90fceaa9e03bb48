import torch

torch.manual_seed(0)
x = torch.rand(20, 3)
y = x.sum(1, keepdim=True)
w = (torch.randn(3, 1) * 0.1).requires_grad_()
for i in range(10):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
