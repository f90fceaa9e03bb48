import torch
import torch.nn as nn

torch.manual_seed(0)
features = torch.randn(24, 3)
target = features @ torch.tensor([1.0, -2.0, 0.5])
net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
criterion = nn.MSELoss()
optim = torch.optim.Adam(net.parameters(), lr=0.01)
for step in range(10):
    out = net(features)
    loss = criterion(out, target)
    optim.zero_grad()
    loss.backward()
    optim.step()
