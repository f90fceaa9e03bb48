import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
ds = TensorDataset(torch.randn(120, 4), torch.randn(120))
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
crit = nn.SmoothL1Loss()
opt = torch.optim.Adam(net.parameters(), lr=0.003)
for ep in range(5):
    for xb, yb in DataLoader(ds, batch_size=20, shuffle=True):
        opt.zero_grad()
        loss = crit(net(xb), yb)
        loss.backward()
        opt.step()
