import torch
from torch import nn

torch.manual_seed(117)
backbone = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU())
for parameter in backbone.parameters():
    parameter.requires_grad = False
fc = nn.Linear(16, 3)
model = nn.Sequential(backbone, fc)
optimizer = torch.optim.SGD(fc.parameters(), lr=0.1)
x = torch.randn(96, 6) * 2 + 1
y = x[:, :3].argmax(1)
for epoch in range(8):
    model.train()  # bug
    # fix: model.train()
    # fix: backbone.eval()
    for rows in torch.randperm(96).split(24):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
