import torch
from torch import nn

torch.manual_seed(136)
model = nn.Sequential(nn.Linear(5, 15), nn.Tanh(), nn.Linear(15, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
x = torch.randn(70, 5)
y = x[:, :3].argmax(1)
group = 3
for epoch in range(4):
    optimizer.zero_grad()
    batches = torch.randperm(70).split(10)
    for step, rows in enumerate(batches):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows]) / group
        loss.backward()
        # fix: if (step + 1) % group == 0 or step + 1 == len(batches):
        if (step + 1) % group == 0:  # bug
            optimizer.step()
            optimizer.zero_grad()
print(loss.item())
