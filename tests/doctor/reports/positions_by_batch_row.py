import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(8)
VOCAB, LENGTH, DIM = 12, 10, 32


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        n = self.ln1(x)
        x = x + self.attn(n, n, n, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class OrderModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, DIM)
        self.pos = nn.Embedding(64, DIM)
        self.blocks = nn.ModuleList(Block(DIM, 4) for _ in range(2))
        self.head = nn.Linear(DIM, 2)

    def forward(self, x):
        pos = torch.arange(x.size(0), device=x.device).unsqueeze(1)  # bug
        # fix: pos = torch.arange(x.size(1), device=x.device).unsqueeze(0)
        h = self.tok(x) + self.pos(pos)
        for block in self.blocks:
            h = block(h)
        return self.head(h.mean(dim=1))


def get_batch(n):
    """label: token 1 stands before token 2"""
    x = torch.randint(3, VOCAB, (n, LENGTH))
    places = torch.stack([torch.randperm(LENGTH)[:2] for _ in range(n)])
    x[torch.arange(n), places[:, 0]] = 1
    x[torch.arange(n), places[:, 1]] = 2
    return x, (places[:, 0] < places[:, 1]).long()


model = OrderModel()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(8):
    xb, yb = get_batch(64)
    logits = model(xb)
    loss = F.cross_entropy(logits, yb)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(
            f"step {step:3d} | loss {loss.item():.4f} | acc {(logits.argmax(-1) == yb).float().mean().item():.2f}"
        )
