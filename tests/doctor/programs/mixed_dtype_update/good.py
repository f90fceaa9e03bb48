import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
with torch.no_grad():
    model.weight.fill_(1.0)
    model.bias.fill_(1.0)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
x = torch.randn(16, 3)
y = x.sum(1, keepdim=True) + 2
for epoch in range(10):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = model(x)
    loss = ((prediction.float() - y) ** 2).mean()
    loss.backward()
    optimizer.step()
