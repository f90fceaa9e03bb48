import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 16)
y = torch.randn(32, 1)
layers = []
for _ in range(10):
    layer = nn.Linear(16, 16)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    layers += [layer, nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

for step in range(12):
    optimizer.zero_grad()
    loss = nn.functional.l1_loss(model(x), y)
    loss.backward()
    optimizer.step()
