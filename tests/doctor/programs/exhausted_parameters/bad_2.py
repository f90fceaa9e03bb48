import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(3, 1)
weights = net.parameters()
x, y = torch.randn(20, 3), torch.randn(20, 1)
for i in range(12):
    loss = nn.functional.mse_loss(net(x), y)
    net.zero_grad()
    loss.backward()
    with torch.no_grad():
        for w in weights:
            w.sub_(0.1 * w.grad)
