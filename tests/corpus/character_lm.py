"""A hand loop: a small causal transformer on slices of one token array, with samples between."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(2)
text = "to be or not to be that is the question " * 60
letters = sorted(set(text))
data = torch.tensor([letters.index(c) for c in text])
T, width = 24, 32


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x):
        q, k, v = (
            t.unflatten(-1, (2, -1)).transpose(1, 2) for t in self.qkv(self.ln1(x)).chunk(3, -1)
        )
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(a.transpose(1, 2).flatten(-2))
        return x + self.mlp(self.ln2(x))


class LM(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.place = nn.Embedding(len(letters), width), nn.Embedding(T, width)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, len(letters), bias=False)
        self.head.weight = self.token.weight

    def forward(self, idx):
        x = self.token(idx) + self.place(torch.arange(idx.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def batch():
    at = torch.randint(len(data) - T, (8,))
    return torch.stack([data[i : i + T] for i in at]), torch.stack(
        [data[i + 1 : i + 1 + T] for i in at]
    )


model = LM()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
print("begin")
for step in range(40):
    x, y = batch()
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 10 == 9:
        with torch.no_grad():
            seen = data[:1][None]
            for _ in range(20):
                logits = model(seen[:, -T:])[:, -1]
                seen = torch.cat([seen, torch.multinomial(logits.softmax(-1), 1)], 1)
        print(step, loss.item(), "".join(letters[i] for i in seen[0].tolist()))
print("end", [p.sum().item() for p in model.parameters()][:4], torch.rand(1).item())
