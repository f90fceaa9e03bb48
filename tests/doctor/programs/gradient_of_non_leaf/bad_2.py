import torch

x = torch.randn(5, requires_grad=True)
lr = 0.1
for i in range(10):
    h = x * 2
    loss = (h - 1).pow(2).sum()
    loss.backward()
    print("gradient of h:", h.grad)
    with torch.no_grad():
        x -= lr * x.grad
        x.grad.zero_()
