import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
with torch.no_grad():
    net[0].bias -= 50  # a bad initialisation
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
x = torch.rand(12, 2)
y = x.sum(1, keepdim=True)
for step in range(8):
    loss = ((net(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
