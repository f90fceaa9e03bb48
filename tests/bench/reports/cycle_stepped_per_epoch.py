import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

torch.manual_seed(327)
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
x = torch.randn(200, 6)
y = x[:, :3].argmax(1)
epochs, batch = 5, 10
schedule = OneCycleLR(optimizer, max_lr=0.1, epochs=epochs, steps_per_epoch=200 // batch)
for epoch in range(epochs):
    for rows in torch.randperm(200).split(batch):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # fix: schedule.step()
    schedule.step()  # bug
    print(epoch, loss.item(), optimizer.param_groups[0]["lr"])
