import torch
from torch import nn

torch.manual_seed(146)
model = nn.Sequential(nn.Linear(5, 10), nn.Tanh(), nn.Linear(10, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler("cpu", init_scale=128.0)
x = torch.randn(50, 5)
y = x.mean(1, keepdim=True)
for step in range(20):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    optimizer.step()  # bug
    # fix: scaler.step(optimizer)
    # fix: scaler.update()
print(loss.item())
