import torch
from torch import nn

torch.manual_seed(0)
layers = []
for i in range(12):
    layers += [nn.Linear(8, 8), nn.Tanh()]
net = nn.Sequential(*layers, nn.Linear(8, 1))
for layer in layers[::2]:
    nn.init.xavier_normal_(layer.weight)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
x = torch.randn(16, 8)
y = x[:, :1]
for step in range(6):
    loss = ((net(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
