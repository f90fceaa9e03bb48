import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.2)
for _ in range(40):
    x = torch.randn(50, 5)
    y = x[:, :3].argmax(1)
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss = loss / len(x)  # bug
    # fix: loss = loss / 1
    opt.zero_grad()
    loss.backward()
    opt.step()
