import torch

torch.manual_seed(0)
x = torch.rand(20, 1)
y = 3 * x + 10
weight = torch.randn(1, 1, requires_grad=True)
bias = torch.randn(1, requires_grad=True)
lr = 0.1
for epoch in range(10):
    loss = torch.mean((x.mm(weight) + bias - y) ** 2)
    loss.backward()
    with torch.no_grad():
        weight = weight - lr * weight.grad
        bias = bias - lr * bias.grad
