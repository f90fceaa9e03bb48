import torch
from torch import nn

torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm, self.f = nn.LayerNorm(d), nn.Linear(d, d)

    def forward(self, x):
        return x + torch.nn.functional.gelu(self.f(self.norm(x)))


net = nn.Sequential(*[Block(12) for _ in range(10)], nn.Linear(12, 1))
opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
x, y = torch.randn(24, 12), torch.randn(24, 1)
for _ in range(12):
    opt.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
