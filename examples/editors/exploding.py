"""A line is fitted with a learning rate that is too large; see ``assistant.py``."""

import torch

torch.manual_seed(0)
x = torch.rand(20, 1)
y = 3 * x + 10
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1.5)
for _ in range(30):
    loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
