import torch

torch.manual_seed(0)
w = torch.zeros(3, 1, requires_grad=True)
x = torch.randn(30, 3)
y = x @ torch.tensor([[1.0], [2.0], [-1.0]])
optimizer = torch.optim.LBFGS([w], lr=1, max_iter=5)


def closure():
    optimizer.zero_grad()
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    return loss


for i in range(5):
    optimizer.step(closure)
