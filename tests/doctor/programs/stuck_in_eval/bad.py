import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
x = torch.randn(24, 3)
y = x.sum(1, keepdim=True)
net.train()
for epoch in range(6):
    for batch in range(3):
        rows = slice(8 * batch, 8 * batch + 8)
        loss = nn.functional.mse_loss(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, nn.functional.mse_loss(net(x), y).item())
