import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(15):
    a, p, n = torch.randn(3, 12, 4).unbind(0)
    loss = nn.functional.triplet_margin_loss(net(a), net(a + 0.1 * p), net(n))
    opt.zero_grad()
    loss.backward()
    opt.step()
