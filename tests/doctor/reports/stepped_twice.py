import torch
from torch import nn

torch.manual_seed(142)
model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
x = torch.randn(128, 6)
y = x[:, :4].argmax(1)
iter_size = 2
for epoch in range(3):
    for i, rows in enumerate(torch.randperm(128).split(16)):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows]) / iter_size
        loss.backward()
        if (i + 1) % iter_size == 0:
            optimizer.step()
            # fix: optimizer.zero_grad()
        # fix: continue
        optimizer.step()  # bug
        if (i + 1) % iter_size == 0:  # bug
            optimizer.zero_grad()  # bug
print(loss.item())
