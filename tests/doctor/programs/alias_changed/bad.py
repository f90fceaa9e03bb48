import torch
from torch import nn

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(10, 4), nn.ReLU(), nn.Linear(4, 10))
opt = torch.optim.Adam(m.parameters(), lr=0.01)
for _ in range(6):
    clean = torch.randn(32, 10)
    noisy = clean
    noisy += 0.5 * torch.randn(32, 10)
    loss = ((m(noisy) - clean) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
