import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Dropout(0.05), nn.Linear(64, 3))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for i in range(60):
    x = torch.randn(32, 4)
    y = x[:, :3].argmax(1)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
