import torch
from torch import nn

torch.manual_seed(0)


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        out = x
        for block in self.blocks:
            out = torch.tanh(block(x))  # bug
            # fix: out = torch.tanh(block(out))
        return self.head(out)


net = Tower()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(25):
    x = torch.randn(32, 8)
    loss = ((net(x) - x.prod(1, keepdim=True)) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
