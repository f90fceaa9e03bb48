import torch

torch.manual_seed(0)
w = torch.tensor([0.5, -0.2], requires_grad=True)
x = torch.tensor([[1.0, 1.0], [0.0, 0.0], [2.0, 1.0]])
for i in range(6):
    distance = torch.sqrt(((x * w) ** 2).sum(1) + 1e-8)
    loss = ((distance - 1) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
