import torch
from torch import nn

torch.manual_seed(215)
model = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
parts = 4
x = torch.randn(96, 5)
y = x[:, :2].prod(1, keepdim=True)
for epoch in range(5):
    optimizer.zero_grad()
    for number, rows in enumerate(torch.randperm(96).split(8)):
        loss = ((model(x[rows]) - y[rows]) ** 2).mean() / parts
        loss.backward()
        done = number % parts == 0  # bug
        # fix: done = (number + 1) % parts == 0
        if done:
            optimizer.step()
            optimizer.zero_grad()
print(loss.item())
