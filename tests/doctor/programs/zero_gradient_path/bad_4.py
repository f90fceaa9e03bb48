import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
x = torch.randn(30, 3)
y = (x.sum(1, keepdim=True) > 0).float()
for i in range(12):
    p = torch.sigmoid(net(x))
    guess = torch.sign(p - 0.5) / 2 + 0.5
    loss = (guess - y).abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
