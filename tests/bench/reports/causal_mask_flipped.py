import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(17)

V, T, D = 16, 12, 32


def square_mask(size):
    keep = torch.triu(torch.ones(size, size)) == 1  # bug
    # fix: keep = torch.tril(torch.ones(size, size)) == 1
    mask = torch.zeros(size, size)
    return mask.masked_fill(~keep, float("-inf"))


class TinyLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(V, D)
        self.pos = nn.Parameter(torch.randn(1, T, D) * 0.02)
        layer = nn.TransformerEncoderLayer(
            D, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, num_layers=2)
        self.head = nn.Linear(D, V)

    def forward(self, ids):
        x = self.tok(ids) + self.pos[:, : ids.size(1)]
        return self.head(self.blocks(x, mask=square_mask(ids.size(1))))


def sequences(n):
    """Counting sequences with a random start and stride, some noise tokens."""
    start = torch.randint(0, V, (n, 1))
    stride = torch.randint(1, 4, (n, 1))
    seq = (start + stride * torch.arange(T + 1)) % V
    noise = torch.rand(n, T + 1) < 0.05
    return torch.where(noise, torch.randint(0, V, seq.shape), seq)


lm = TinyLM()
optimizer = torch.optim.Adam(lm.parameters(), lr=3e-3)

for step in range(1, 61):
    seq = sequences(64)
    inp, tgt = seq[:, :-1], seq[:, 1:]
    logits = lm(inp)
    loss = F.cross_entropy(logits.reshape(-1, V), tgt.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 12 == 0 or step == 1:
        print(f"step {step} loss {loss.item():.3f}")
