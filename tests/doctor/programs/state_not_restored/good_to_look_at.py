"""The best weights are loaded to be evaluated; the optimizer's state is kept for another day."""

import io

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 4)
y = x @ torch.randn(4, 1)
net = nn.Linear(4, 1)
optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
best, file = float("inf"), io.BytesIO()
for _ in range(8):
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if loss.item() < best:
        best, file = loss.item(), io.BytesIO()
        torch.save({"net": net.state_dict(), "opt": optimizer.state_dict()}, file)
file.seek(0)
net.load_state_dict(torch.load(file)["net"])
with torch.no_grad():
    print(nn.functional.mse_loss(net(x), y).item())
