"""Turn a row of digits around with one transformer block; attention is written out by hand.

With ``--fused``, PyTorch's own attention computes the same: ``autograd-lens diff`` says whether.
"""

import sys

import torch
from torch import nn

FUSED = "--fused" in sys.argv


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if FUSED:
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            weights = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)
            mixed = weights @ v
        return self.out(mixed.transpose(1, 2).reshape(n, length, width))


class Reverser(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.token = nn.Embedding(10, width)
        self.place = nn.Parameter(0.1 * torch.randn(8, width))
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads=2)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.head = nn.Linear(width, 10)

    def forward(self, digits):
        x = self.token(digits) + self.place
        x = x + self.attention(self.norm(x))
        return self.head(x + self.mlp(x))


torch.manual_seed(0)
model = Reverser()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _ in range(60):
    digits = torch.randint(10, (32, 8))
    logits = model(digits)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), digits.flip(1).flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
right = (logits.argmax(-1) == digits.flip(1)).float().mean().item()
print(f"loss {loss.item():.4f}, {right:.0%} of the last digits are in their place")
