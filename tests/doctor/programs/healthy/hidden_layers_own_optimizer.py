import torch
from torch import nn

torch.manual_seed(0)


class N(nn.Module):
    def __init__(s):
        super().__init__()
        s.layers = [nn.Linear(2, 3)]
        s.head = nn.Linear(3, 1)

    def forward(s, x):
        return s.head(torch.tanh(s.layers[0](x)))


n = N()
opt = torch.optim.Adam([*n.parameters(), *n.layers[0].parameters()])
for i in range(8):
    l = n(torch.randn(4, 2)).pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
