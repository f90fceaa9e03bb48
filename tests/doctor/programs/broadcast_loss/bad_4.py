import torch

torch.manual_seed(0)
w = torch.zeros(2, 1, requires_grad=True)
for i in range(6):
    x = torch.randn(9, 2)
    y = x @ torch.tensor([1.0, 2.0])
    loss = torch.mean(torch.square(y - x @ w) / 2)
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
