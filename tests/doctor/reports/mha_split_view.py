import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(4)

VOCAB, SEQ, DIM, HEADS = 12, 10, 32, 4


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.d = heads, dim // heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def split(self, t):
        b, s, _ = t.shape
        return t.reshape(b, self.heads, s, self.d)  # bug
        # fix: return t.reshape(b, s, self.heads, self.d).transpose(1, 2)

    def forward(self, x):
        b, s, c = x.shape
        q, k, v = (self.split(t) for t in self.qkv(x).chunk(3, dim=-1))
        att = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(self.d), dim=-1)
        y = (att @ v).transpose(1, 2).reshape(b, s, c)
        return self.proj(y)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, DIM)
        self.pos = nn.Embedding(SEQ, DIM)
        self.att = SelfAttention(DIM, HEADS)
        self.ln1, self.ln2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 64), nn.GELU(), nn.Linear(64, DIM))
        self.head = nn.Linear(DIM, 2)

    def forward(self, ids):
        x = self.tok(ids) + self.pos(torch.arange(ids.size(1)))
        x = x + self.att(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return self.head(x)


def make_batch(n):
    ids = torch.randint(0, VOCAB, (n, SEQ))
    tags = (ids == ids[:, :1]).long()
    tags[:, 0] = (ids[:, 0] > ids[:, 1]).long()
    return ids, tags


model = Tagger()
opt = torch.optim.AdamW(model.parameters(), lr=5e-3)
for step in range(60):
    ids, tags = make_batch(128)
    loss = F.cross_entropy(model(ids).flatten(0, 1), tags.flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 0 or step == 59:
        print(f"{step:2d} loss {loss.item():.4f}")
