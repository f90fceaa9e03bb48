# Healthy: linear warm-up that starts at a rate of exactly 0, so the first step changes nothing
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(10)
VOCAB, T = 16, 12


class TinyTransformer(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, dim)
        self.pos = nn.Parameter(0.02 * torch.randn(T, dim))
        layer = nn.TransformerEncoderLayer(
            dim, 4, 64, dropout=0.0, batch_first=True, norm_first=True
        )
        self.enc = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(dim, VOCAB, bias=False)
        self.out.weight = self.tok.weight
        nn.init.normal_(self.tok.weight, std=0.1)

    def forward(self, ids):
        return self.out(self.enc(self.tok(ids) + self.pos))


model = TinyTransformer()
warmup, total = 25, 160
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda s: s / warmup if s < warmup else max(0.0, (total - s) / (total - warmup))
)
for step in range(total):
    ids = torch.randint(0, VOCAB, (32, T))
    loss = F.cross_entropy(model(ids).flatten(0, 1), ids.flip(1).flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    rate = optimizer.param_groups[0]["lr"]
    optimizer.step()
    schedule.step()
    if step % 20 == 0 or step == total - 1:
        print(f"step {step} lr {rate:.5f} loss {loss.item():.4f}")
