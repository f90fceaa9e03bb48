import math
import torch
import torch.nn as nn

torch.manual_seed(2)
DTYPE = torch.bfloat16
LENGTH, DIM = 1024, 64


def rotary_table(length, dim, base=10000.0):
    freq = 1.0 / (base ** (torch.arange(0, dim, 2).float() / dim))
    pos = torch.arange(length, dtype=DTYPE)  # bug
    # fix: pos = torch.arange(length, dtype=torch.float32)
    angle = pos.float()[:, None] * freq[None]
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", rotary_table(LENGTH, DIM))
        self.mlp = nn.Sequential(nn.Linear(DIM, 128), nn.GELU(), nn.Linear(128, 2))

    def forward(self, pos):
        return self.mlp(self.table[pos])


def batch(n=256):
    pos = torch.randint(512, LENGTH, (n,))
    return pos, (pos.double().sin() > 0).long()


net = Reader()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
hist = []
for step in range(80):
    pos, parity = batch()
    logits = net(pos)
    loss = nn.functional.cross_entropy(logits, parity)
    opt.zero_grad()
    loss.backward()
    opt.step()
    hist.append(loss.item())
    if step % 20 == 19:
        acc = (logits.argmax(-1) == parity).float().mean().item()
        print(f"step {step} loss {sum(hist[-10:]) / 10:.4f} acc {acc:.3f}")
