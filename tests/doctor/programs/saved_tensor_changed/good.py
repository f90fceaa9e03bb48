import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x = torch.rand(10, 3)
y = x.sum(1)
for i in range(8):
    h = torch.exp(x @ w)
    loss = ((h - y) ** 2).mean()
    print(h.detach().clamp(max=1.0).max())
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
        w.grad.zero_()
