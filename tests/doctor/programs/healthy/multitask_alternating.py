# one optimizer for all; each step trains one task, so the other head has no gradient then
import torch
from torch import nn

torch.manual_seed(0)
body = nn.Linear(4, 8)
heads = nn.ModuleList([nn.Linear(8, 1), nn.Linear(8, 1), nn.Linear(8, 1)])
opt = torch.optim.Adam([*body.parameters(), *heads.parameters()], lr=0.01)
for i in range(30):
    x = torch.randn(16, 4)
    task = i % 3
    loss = nn.functional.mse_loss(heads[task](torch.relu(body(x))), x[:, task : task + 1])
    opt.zero_grad()
    loss.backward()
    opt.step()
