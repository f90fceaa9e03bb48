import torch
from torch import nn

torch.manual_seed(0)
points = torch.randn(10, 2)
emb = nn.Parameter(points.clone())
anchor = points.clone()
opt = torch.optim.SGD([emb], lr=0.1)
for i in range(6):
    d = torch.sqrt(((emb - anchor) ** 2).sum(1))
    loss = (d - 1).abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
