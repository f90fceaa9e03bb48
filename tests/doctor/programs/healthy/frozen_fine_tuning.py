import torch
from torch import nn

torch.manual_seed(0)
backbone = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))
for p in backbone.parameters():
    p.requires_grad = False
model = nn.Sequential(backbone, nn.Linear(8, 2))
optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
x, y = torch.randn(20, 4), torch.randint(0, 2, (20,))
for epoch in range(10):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
