import torch

torch.manual_seed(0)
w = torch.full((3, 1), 5.0, requires_grad=True)
x = torch.rand(20, 3)
y = x.sum(1, keepdim=True)
for i in range(80):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 1e-7 * w.grad
        w.grad.zero_()
