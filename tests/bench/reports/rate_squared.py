import torch
from torch import nn

torch.manual_seed(214)
rate = 0.02
model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
scheduler = torch.optim.lr_scheduler.LambdaLR(
    optimizer,
    lambda epoch: rate * 0.95**epoch,  # bug
    # fix: lambda epoch: 0.95**epoch,
)
x = torch.randn(80, 4)
y = (x[:, :1] * 2).tanh()
for epoch in range(10):
    for rows in torch.randperm(80).split(20):
        loss = ((model(x[rows]) - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
print(loss.item())
