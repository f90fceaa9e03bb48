import copy

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=1e-3)
x, y, xv, yv = torch.randn(30, 3), torch.randn(30, 1), torch.randn(20, 3), torch.randn(20, 1)
best, state, patience = float("inf"), None, 0
for epoch in range(40):
    net.train()
    opt.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
    net.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(net(xv), yv).item()
    if val < best:
        best, state, patience = val, copy.deepcopy(net.state_dict()), 0
    else:
        patience += 1
        if patience == 5:
            break
net.load_state_dict(state)
