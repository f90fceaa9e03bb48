import torch
from torch import nn

torch.manual_seed(0)


def pinball(prediction, target, level=0.9):
    over = target - prediction
    return torch.maximum(level * over, (level - 1) * over).mean()


net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(8):
    x = torch.randn(64, 3)
    target = x.sum(1, keepdim=True) + torch.randn(64, 1)
    prediction = net(x)
    loss = pinball(target, prediction)
    opt.zero_grad()
    loss.backward()
    opt.step()
