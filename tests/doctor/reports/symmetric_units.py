import torch
from torch import nn

torch.manual_seed(226)
model = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 1))
for layer in (model[0], model[2]):
    nn.init.constant_(layer.weight, 0.1)  # bug
    # fix: nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(80, 5)
y = x[:, :1] * x[:, 1:2]
for epoch in range(6):
    for rows in torch.randperm(80).split(20):
        loss = ((model(x[rows]) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
