import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 2)
x = torch.randn(3, 4)
y = torch.tensor([0, 1, 0])
delta = torch.zeros_like(x, requires_grad=True)
for i in range(8):
    loss = nn.functional.cross_entropy(model(x + delta), y)
    loss.backward()
    delta.data = (delta + 0.01 * delta.grad.sign()).clamp(-0.1, 0.1)
    delta.grad.zero_()
