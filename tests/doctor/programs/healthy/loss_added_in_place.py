import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
cell, head = nn.GRUCell(3, 8), nn.Linear(8, 2)
opt = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
for i in range(12):
    x, y = torch.randn(4, 6, 3), torch.randint(2, (4, 6))
    h, loss = torch.zeros(4, 8), torch.zeros(())
    for t in range(6):
        h = cell(x[:, t], h)
        loss += F.cross_entropy(head(h), y[:, t])
    opt.zero_grad()
    loss.backward()
    opt.step()
