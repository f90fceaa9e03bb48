import torch

torch.manual_seed(0)
w = torch.randn(2, 1, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.05)
for task in range(8):
    x = torch.randn(10, 2)
    y = x @ torch.randn(2, 1)
    inner = ((x[:5] @ w - y[:5]) ** 2).mean()
    (g,) = torch.autograd.grad(inner, w, create_graph=True)
    fast = w - 0.1 * g
    outer = ((x[5:] @ fast - y[5:]) ** 2).mean()
    optimizer.zero_grad()
    outer.backward()
    optimizer.step()
