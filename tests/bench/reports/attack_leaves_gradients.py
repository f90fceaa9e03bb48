import torch
from torch import nn

torch.manual_seed(212)
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(60, 6)
y = x[:, :3].argmax(1)
for epoch in range(6):
    for rows in torch.randperm(60).split(20):
        optimizer.zero_grad()
        delta = torch.zeros_like(x[rows], requires_grad=True)
        nn.functional.cross_entropy(model(x[rows] + delta), y[rows]).backward()
        worst = x[rows] + 0.1 * delta.grad.sign()
        loss = nn.functional.cross_entropy(model(worst), y[rows])
        # fix: optimizer.zero_grad()
        loss.backward()  # bug
        # fix: loss.backward()
        optimizer.step()
print(loss.item())
