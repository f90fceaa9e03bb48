import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(64, 6)
y = x[:, :1] * x[:, 1:2]

for step in range(12):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    with torch.no_grad():
        weight = model[0].weight
        weight.grad = weight.grad + 1e-3 * weight.sign()
    optimizer.step()
print(loss.item())
