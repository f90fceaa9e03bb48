import torch
from torch import nn

torch.manual_seed(0)
body = nn.Sequential(*[nn.Linear(6, 6)] * 3)
head = nn.Linear(6, 1)
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.05)
x = torch.randn(30, 6)
y = x[:, :1].abs()
for _ in range(10):
    loss = ((head(torch.tanh(body(x))) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
