import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x = torch.randn(5, 3)
for i in range(3):
    h = torch.exp(x @ w)
    h.mul_(2)
    h.sum().backward()
