import math

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(41)


class CausalAttention(nn.Module):
    def __init__(self, dim, heads, context):
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim)
        self.register_buffer("future", torch.ones(context, context).triu(1).bool())

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.to_qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        sim = q @ k.transpose(-1, -2) / math.sqrt(d // self.heads)
        sim.masked_fill(self.future[:t, :t], -1e9)  # bug
        # fix: sim = sim.masked_fill(self.future[:t, :t], -1e9)
        out = sim.softmax(dim=-1) @ v
        return self.to_out(out.transpose(1, 2).reshape(b, t, d))


class CharModel(nn.Module):
    def __init__(self, vocab, dim=32, context=16):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocab, dim), nn.Embedding(context, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = CausalAttention(dim, 2, context)
        self.mlp = nn.Sequential(nn.Linear(dim, 64), nn.GELU(), nn.Linear(64, dim))
        self.head = nn.Linear(dim, vocab)

    def forward(self, ids):
        h = self.tok(ids) + self.pos.weight[: ids.shape[1]]
        h = h + self.attn(self.norm1(h))
        h = h + self.mlp(self.norm2(h))
        return self.head(h)


def markov(n, length, table):
    seq = torch.empty(n, length, dtype=torch.long)
    seq[:, 0] = torch.randint(0, len(table), (n,))
    for t in range(1, length):
        seq[:, t] = torch.multinomial(table[seq[:, t - 1]], 1).squeeze(1)
    return seq


table = torch.softmax(1.5 * torch.randn(8, 8), dim=1)
floor = -(table * table.log()).sum(1).mean().item()
model = CharModel(8)
opt = torch.optim.AdamW(model.parameters(), lr=5e-3)
print(f"entropy of the source: {floor:.3f}")
for step in range(221):
    batch = markov(32, 17, table)
    logits = model(batch[:, :-1])
    loss = F.cross_entropy(logits.reshape(-1, 8), batch[:, 1:].reshape(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 40 == 0:
        print(f"step {step:3d}: loss {loss.item():.4f}")
