import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from dataclasses import dataclass


@dataclass
class Conf:
    vocab: int = 12
    dim: int = 64
    heads: int = 4
    length: int = 20
    lag: int = 3
    steps: int = 80


def rotate(x):
    """x is (batch, time, heads, head_dim)"""
    d = x.shape[-1] // 2
    t = torch.arange(x.shape[1], dtype=x.dtype)
    inv = 1.0 / (50 ** (torch.arange(d, dtype=x.dtype) / d))
    ang = (t[:, None] * inv)[None, :, None, :]
    a, b = x[..., :d], x[..., d:]
    return torch.cat([a * ang.cos() - b * ang.sin(), a * ang.sin() + b * ang.cos()], -1)


class Melody(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.emb = nn.Embedding(c.vocab, c.dim)
        self.q, self.k, self.v = (nn.Linear(c.dim, c.dim) for _ in range(3))
        self.o = nn.Linear(c.dim, c.dim)
        self.head = nn.Sequential(nn.LayerNorm(c.dim), nn.Linear(c.dim, c.vocab))

    def forward(self, ids):
        B, T = ids.shape
        x = self.emb(ids)
        shape = (B, T, self.c.heads, self.c.dim // self.c.heads)
        q = rotate(self.q(x).view(shape).transpose(1, 2))  # bug
        k = rotate(self.k(x).view(shape).transpose(1, 2))  # bug
        # fix: q = rotate(self.q(x).view(shape)).transpose(1, 2)
        # fix: k = rotate(self.k(x).view(shape)).transpose(1, 2)
        v = self.v(x).view(shape).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(self.o(y.transpose(1, 2).reshape(B, T, -1)))


torch.manual_seed(4)
c = Conf()
net = Melody(c)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(c.steps):
    notes = torch.randint(0, c.vocab, (48, c.length))
    goal = notes.roll(c.lag, 1)
    logits = net(notes)[:, c.lag :]
    loss = F.cross_entropy(logits.reshape(-1, c.vocab), goal[:, c.lag :].reshape(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            step,
            round(loss.item(), 4),
            "acc",
            round((logits.argmax(-1) == goal[:, c.lag :]).float().mean().item(), 3),
        )
