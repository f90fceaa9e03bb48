import torch
from torch import nn

torch.manual_seed(0)
table = torch.randn(30, 3)
table[4, 1] = float("nan")  # a missing entry of the file
y = torch.randn(30, 1)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(6):
    loss = nn.functional.mse_loss(model(table), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
