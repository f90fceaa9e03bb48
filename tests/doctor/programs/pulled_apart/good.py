import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.Adam(net.parameters(), lr=0.005)
for _ in range(8):
    x = torch.randn(32, 6)
    a, p, n = net(x), net(x + 0.1 * torch.randn(32, 6)), net(torch.randn(32, 6))
    d_pos, d_neg = (a - p).norm(dim=1), (a - n).norm(dim=1)
    loss = F.relu(d_pos - d_neg + 1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
