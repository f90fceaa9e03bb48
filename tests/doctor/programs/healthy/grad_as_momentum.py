import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x = torch.randn(20, 3)
y = x.sum(1)
for i in range(15):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.02 * w.grad
        w.grad *= 0.9  # the old gradients fade: momentum without a second tensor
