import torch
from torch import nn

torch.manual_seed(128)
model = nn.Sequential(nn.Linear(6, 18), nn.ReLU(), nn.Linear(18, 1))
x = torch.randn(60, 6)
depth = x.norm(dim=1, keepdim=True)
# fix: optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
# fix: scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)
for epoch in range(8):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)  # bug
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)  # bug
    for rows in torch.randperm(60).split(20):
        loss = nn.functional.l1_loss(model(x[rows]), depth[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
print(loss.item())
