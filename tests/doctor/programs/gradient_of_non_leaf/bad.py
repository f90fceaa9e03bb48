import torch
from torch import nn

torch.manual_seed(0)
body, head = nn.Linear(3, 4), nn.Linear(4, 1)
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.01)
x = torch.randn(6, 3)
for epoch in range(5):
    hidden = torch.tanh(body(x))
    loss = (head(hidden) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    print("gradient of the hidden layer", hidden.grad.norm())
    optimizer.step()
