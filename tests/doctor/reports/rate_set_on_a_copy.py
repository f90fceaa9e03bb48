import torch
from torch import nn

torch.manual_seed(206)
model = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)


def adjust(epoch):
    groups = optimizer.state_dict()["param_groups"]  # bug
    # fix: groups = optimizer.param_groups
    for group in groups:
        group["lr"] = 0.2 * 0.5 ** (epoch // 3)


x = torch.randn(64, 4)
y = x.sin().sum(1, keepdim=True)
for epoch in range(9):
    adjust(epoch)
    for rows in torch.randperm(64).split(16):
        loss = ((model(x[rows]) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
