# windows of one series in order of time: not shuffled, and that is right
import torch
from torch import nn

torch.manual_seed(0)
series = torch.sin(torch.arange(200) * 0.2) + 0.1 * torch.randn(200)
net = nn.Linear(8, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.02)
for epoch in range(2):
    for t in range(0, 180, 9):
        x = torch.stack([series[t + i : t + i + 8] for i in range(9)])
        y = torch.stack([series[t + i + 8] for i in range(9)])
        loss = nn.functional.mse_loss(net(x).squeeze(1), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
