import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for i in range(40):
    s = torch.randn(32, 4)
    a = torch.randint(0, 2, (32, 1))
    r = torch.randn(32)
    s2 = torch.randn(32, 4)
    q = net(s).gather(1, a).squeeze(1)
    target = r + 0.99 * net(s2).max(1)[0]
    loss = F.mse_loss(q, target)
    opt.zero_grad()
    loss.backward()
    opt.step()
