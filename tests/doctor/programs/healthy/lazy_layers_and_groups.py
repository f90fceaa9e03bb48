import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1))
net(torch.randn(2, 5))
opt = torch.optim.SGD(
    [{"params": net[0].parameters(), "lr": 0.01}, {"params": net[2].parameters()}], lr=0.05
)
x, y = torch.randn(30, 5), torch.randn(30, 1)
for _ in range(12):
    loss = nn.functional.mse_loss(net(x), y)
    for p in net.parameters():
        p.grad = None
    loss.backward()
    opt.step()
