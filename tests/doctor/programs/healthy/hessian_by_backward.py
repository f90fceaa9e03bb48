import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x = torch.randn(10, 3)
for step in range(8):
    loss = (x @ w).sigmoid().mean()
    (g,) = torch.autograd.grad(loss, w, create_graph=True)
    (loss + 0.1 * (g**2).sum()).backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
