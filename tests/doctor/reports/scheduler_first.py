import warnings

import torch
from torch import nn

torch.manual_seed(143)
warnings.filterwarnings("ignore")
model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
x = torch.randn(50, 3)
y = x.abs().sum(1, keepdim=True)
for epoch in range(15):
    scheduler.step()  # bug
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    # fix: scheduler.step()
print(loss.item())
