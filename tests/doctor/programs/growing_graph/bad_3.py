import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.01)
running = 0
for i in range(25):
    x = torch.randn(8, 3)
    y = x.sum(1, keepdim=True)
    loss = nn.functional.mse_loss(model(x), y)
    running = 0.9 * running + 0.1 * loss
    opt.zero_grad()
    running.backward(retain_graph=True)
    opt.step()
