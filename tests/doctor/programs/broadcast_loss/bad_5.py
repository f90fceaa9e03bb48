import torch

torch.manual_seed(0)
w = torch.randn(3, 1, requires_grad=True)
x = torch.randn(11, 3)
y = (x[:, 0] > 0).float()
for i in range(6):
    p = torch.sigmoid(x @ w)
    l = -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()
    l.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
