import torch

torch.manual_seed(0)
w = torch.randn(4, 4, requires_grad=True)
x = torch.randn(10, 4)
y = torch.rand(10, 4)
for i in range(15):
    h = torch.sigmoid(x @ w)
    loss = ((h - y) ** 2).mean()
    h.data[h.data < 0.5] = 0  # keep only the strong ones, for the plot
    loss.backward()
    with torch.no_grad():
        w -= 0.5 * w.grad
    w.grad = None
