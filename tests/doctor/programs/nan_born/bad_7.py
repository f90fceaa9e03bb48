import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(20, 3)
x[:, 2] = 7.0  # a column that never changes
x = (x - x.mean(0)) / x.std(0)
y = torch.randn(20, 1)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(8):
    xn = torch.cat([torch.randn(20, 2), torch.ones(20, 1)], 1)
    xn = (xn - xn.mean(0)) / xn.std(0)
    loss = nn.functional.mse_loss(model(xn), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
