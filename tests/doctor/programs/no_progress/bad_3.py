import torch
from torch import nn

torch.manual_seed(0)


def main():
    m = nn.Linear(2, 1)
    optim = torch.optim.Adam(m.parameters())
    x = torch.randn(7, 2)
    for i in range(8):
        optim.zero_grad()
        l = (m(x) - 2).abs().mean()
        l.backward()


main()
