import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

backbone = nn.Sequential(nn.Linear(6, 12), nn.ReLU())
fc = nn.Linear(12, 3)
model = nn.Sequential(backbone, fc)
opt = torch.optim.Adam(fc.parameters(), lr=1e-2)
x = torch.randn(40, 6)
y = x[:, :3].argmax(1)
for e in range(20):
    loss = F.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
