import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x = torch.rand(10, 3)
for i in range(4):
    h = torch.sigmoid(x @ w)
    loss = (h * 2).mean()
    h += 1
    loss = loss + h.sum()
    loss.backward()
