import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
cell = nn.GRUCell(3, 16)
head = nn.Linear(16, 1)
opt = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.01)
for i in range(30):
    x = torch.randn(16, 10, 3)
    y = x[:, 0, :1]
    h = torch.zeros(16, 16)
    for t in range(10):
        h = cell(x[:, t], h.detach())
    loss = F.mse_loss(head(h), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
