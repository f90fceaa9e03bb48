import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(64, 4)
y = x[:, :1] + 0.3 * torch.randn(64, 1)

for step in range(12):
    mean, logvar = model(x).chunk(2, 1)
    loss = (0.5 * (y - mean) ** 2 * torch.exp(-logvar) - 0.5 * logvar).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
