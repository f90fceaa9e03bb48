import torch
from torch import nn

torch.manual_seed(0)
enc = nn.Linear(3, 4)
head = nn.Linear(4, 1)
opt = torch.optim.Adam(head.parameters())
x = torch.randn(10, 3)
for i in range(12):
    if i == 6:
        opt = torch.optim.Adam([*enc.parameters(), *head.parameters()])
    l = (head(enc(x)) - 1).pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
