import torch
import torch.nn as nn
import torch.nn.functional as F


class Norm(nn.Module):
    def forward(self, x):
        return F.layer_norm(x, normalized_shape=x.shape[1:])  # bug
        # fix: return F.layer_norm(x, normalized_shape=x.shape[-1:])


class Block(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.norm1, self.norm2 = Norm(), Norm()
        self.att = nn.MultiheadAttention(d, h, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x):
        n = self.norm1(x)
        x = x + self.att(n, n, n, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Net(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.inp = nn.Linear(6, d, bias=False)
        self.blocks = nn.Sequential(Block(d, 4), Block(d, 4))
        self.norm, self.head = Norm(), nn.Linear(d, 3)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.inp(x))))


torch.manual_seed(18)
proto = F.normalize(torch.randn(3, 6), dim=1)


def readings(n, t=10):
    y = torch.randint(0, 3, (n, t))
    gain = torch.exp(2.5 * torch.randn(n, t, 1))
    return gain * (proto[y] + 0.15 * torch.randn(n, t, 6)), y


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(60):
    x, y = readings(32)
    out = net(x)
    loss = F.cross_entropy(out.flatten(0, 1), y.flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 12 == 11:
        print(
            step,
            round(loss.item(), 4),
            "acc",
            round((out.argmax(-1) == y).float().mean().item(), 3),
        )
