import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
curves = torch.randn(96, 6)
areas = curves.abs().sum(1, keepdim=True)
inputs = DataLoader(curves, batch_size=16, shuffle=True)  # bug
answers = DataLoader(areas, batch_size=16, shuffle=True)  # bug
# fix: inputs = DataLoader(curves, batch_size=16)
# fix: answers = DataLoader(areas, batch_size=16)
net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(6):
    for curve, area in zip(inputs, answers):
        loss = ((net(curve) - area) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
