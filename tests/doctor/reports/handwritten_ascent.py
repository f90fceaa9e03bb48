import torch

torch.manual_seed(225)
weight = torch.zeros(3, 1, requires_grad=True)
bias = torch.zeros(1, requires_grad=True)
x = torch.randn(50, 3)
y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3
for step in range(20):
    loss = ((x @ weight + bias - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        weight += 0.05 * weight.grad  # bug
        # fix: weight -= 0.05 * weight.grad
        bias -= 0.05 * bias.grad
        weight.grad.zero_()
        bias.grad.zero_()
    print(step, loss.item())
