import torch
from torch import nn

torch.manual_seed(113)
model = nn.Sequential(
    nn.Linear(6, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Dropout(0.3), nn.Linear(30, 2)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, x_val = torch.randn(160, 6), torch.randn(40, 6)
y, y_val = (x.sum(1) > 0).long(), (x_val.sum(1) > 0).long()


def validate():
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_val).argmax(1) == y_val).float().mean()
    print(accuracy.item())
    # fix: model.train()


step = 0
for epoch in range(3):
    model.train()
    for rows in torch.randperm(160).split(16):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])  # bug
        # fix: loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 4 == 0:
            validate()
