import torch
from torch import nn

torch.manual_seed(0)
body, head = nn.Linear(3, 4), nn.Linear(4, 1)
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.1)
for step in range(6):
    x = torch.randn(8, 3)
    h = torch.tanh(body(x))
    loss_a = (head(h) - 1).pow(2).mean()
    loss_b = (head(-h) - 2).pow(2).mean()
    optimizer.zero_grad()
    loss_a.backward(retain_graph=True)
    loss_b.backward()
    optimizer.step()
