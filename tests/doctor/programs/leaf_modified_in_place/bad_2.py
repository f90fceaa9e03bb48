import torch

theta = torch.zeros(4, requires_grad=True)
X = torch.randn(30, 4)
t = torch.randn(30)
for i in range(5):
    cost = ((X @ theta - t) ** 2).mean()
    cost.backward()
    theta.sub_(0.1 * theta.grad)
    theta.grad.zero_()
