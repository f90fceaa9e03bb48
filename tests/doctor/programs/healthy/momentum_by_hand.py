import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
velocity = torch.zeros(3)
x = torch.randn(20, 3)
y = x.sum(1)
for i in range(15):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    velocity = 0.9 * velocity + w.grad
    with torch.no_grad():
        w -= 0.02 * velocity
    w.grad.zero_()
