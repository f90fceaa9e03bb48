import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(6, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(64, 6)
label = torch.sign(x[:, 0] + 0.3)

for step in range(8):
    loss = torch.clamp(1 - label * model(x)[:, 0], min=0).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
