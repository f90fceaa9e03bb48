import torch
import torch.nn.functional as F

torch.manual_seed(0)
w = torch.randn(5, 1, requires_grad=True)
x = torch.randn(16, 5)
y = (x[:, :1] > 0).float()
for i in range(6):
    p = torch.sigmoid(x @ w)
    loss = F.binary_cross_entropy(p, y)
    loss.backward()
    with torch.no_grad():
        w -= 0.5 * w.grad
        w.grad.zero_()
