# uncertainty from dropout that stays on, on purpose
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
x, y = torch.randn(40, 2), torch.randn(40, 1)
net.train()
for _ in range(15):
    opt.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
with torch.no_grad():
    samples = torch.stack([net(x) for _ in range(20)])
print(samples.std(0).mean())
