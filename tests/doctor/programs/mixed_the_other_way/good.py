import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
centres = 2 * torch.randn(3, 6)
for _ in range(8):
    y = torch.randint(0, 3, (48,))
    x = centres[y] + 0.3 * torch.randn(48, 6)
    lam = float(torch.distributions.Beta(0.4, 0.4).sample())
    order = torch.randperm(48)
    scores = net(lam * x + (1 - lam) * x[order])
    one, other = F.cross_entropy(scores, y), F.cross_entropy(scores, y[order])
    loss = lam * one + (1 - lam) * other
    opt.zero_grad()
    loss.backward()
    opt.step()
