import torch
from torch import nn

torch.manual_seed(218)
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
model = model.to(torch.bfloat16)  # bug
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
x = torch.randn(64, 6)
y = x.sum(1, keepdim=True).tanh()
for epoch in range(6):
    for rows in torch.randperm(64).split(16):
        batch = x[rows].to(model[0].weight.dtype)
        loss = ((model(batch).float() - y[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
