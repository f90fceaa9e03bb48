import torch
from torch import nn

torch.manual_seed(137)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(60, 4)
y = x.sum(1, keepdim=True)
running = 0.0
for rows in torch.randperm(60).split(6):
    loss = nn.functional.mse_loss(x[rows] @ model.weight.T.clone() + model.bias, y[rows])
    running = running + loss  # bug
    optimizer.zero_grad()
    running.backward(retain_graph=True)  # bug
    # fix: loss.backward()
    optimizer.step()
print(loss.item())
