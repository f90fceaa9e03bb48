import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(2, 2)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(12):
    x = torch.randn(4, 2)
    if i == 5:
        x = torch.zeros(4, 2)
    xn = x / x.norm(dim=1, keepdim=True)
    loss = model(xn).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
