import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

torch.manual_seed(4)
VOCAB, DIM = 30, 32


class LowRank(nn.Module):
    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + 2.0 * self.up(self.down(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM)
        self.mix = nn.Linear(DIM, DIM)
        self.ff = nn.Linear(DIM, DIM)

    def forward(self, h):
        prev = F.pad(h, (0, 0, 1, 0))[:, :-1]
        return h + torch.tanh(self.ff(torch.relu(self.mix(self.norm(h + prev)))))


class Encoder(nn.Module):
    def __init__(self, use_checkpoint):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, DIM)
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.head = nn.Linear(DIM, 2)
        self.use_checkpoint = use_checkpoint

    def forward(self, ids):
        h = self.embed(ids)
        for layer in self.layers:
            if self.use_checkpoint and self.training:
                h = checkpoint(layer, h, use_reentrant=True)  # bug
                # fix: h = checkpoint(layer, h, use_reentrant=False)
            else:
                h = layer(h)
        return self.head(h.mean(1))


def add_adapters(model):
    model.requires_grad_(False)
    for layer in model.layers:
        layer.mix, layer.ff = LowRank(layer.mix), LowRank(layer.ff)
    model.head.requires_grad_(True)
    return [p for p in model.parameters() if p.requires_grad]


def batch(n):
    ids = torch.randint(2, VOCAB, (n, 12))
    at = torch.randint(0, 11, (n,))
    label = torch.randint(0, 2, (n,))
    rows = torch.arange(n)
    ids[rows, at] = label
    ids[rows, at + 1] = 1 - label
    return ids, label


model = Encoder(use_checkpoint=True)
trainable = add_adapters(model)
optimizer = torch.optim.AdamW(trainable, lr=1e-2)
model.train()
for step in range(151):
    ids, label = batch(64)
    loss = F.cross_entropy(model(ids), label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 25 == 0:
        print(f"step {step:3d} loss {loss.item():.4f}")
