import torch
from torch import nn

torch.manual_seed(216)
model = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
x = torch.randn(60, 4)
y = x.abs().sum(1, keepdim=True)
for epoch in range(9):
    for rows in torch.randperm(60).split(15):
        loss = ((model(x[rows]) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step  # bug
    # fix: scheduler.step()
print(loss.item())
