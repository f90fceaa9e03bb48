import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Linear(7, 4)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(8):
    x, y = torch.randn(40, 7), torch.randint(0, 4, (40,))
    trust = (torch.rand(40) < 0.6).float()
    loss = F.cross_entropy(net(x), y)
    loss = (loss * trust).sum() / trust.sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
