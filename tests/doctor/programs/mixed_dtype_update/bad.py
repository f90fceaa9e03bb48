import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1).to(torch.bfloat16)
with torch.no_grad():
    model.weight.fill_(1.0)
    model.bias.fill_(1.0)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
x = torch.randn(16, 3, dtype=torch.bfloat16)
y = x.sum(1, keepdim=True) + 2
for epoch in range(10):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
