import torch
import torch.nn as nn
import torch.nn.functional as F


def nce(query, pos, neg, temperature=0.1):
    query, pos, neg = (F.normalize(t, dim=-1) for t in (query, pos, neg))
    l_pos = (query * pos).sum(-1, keepdim=True)
    l_neg = query @ neg.T
    logits = torch.cat([l_pos, l_neg / temperature], 1)  # bug
    # fix: logits = torch.cat([l_pos, l_neg], 1) / temperature
    labels = torch.zeros(len(query), dtype=torch.long)
    return F.cross_entropy(logits, labels), (logits.argmax(1) == 0).float().mean()


class Encoder(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 16))


def main():
    torch.manual_seed(17)
    enc = Encoder()
    opt = torch.optim.Adam(enc.parameters(), lr=3e-3)
    mix = torch.randn(4, 12)
    for step in range(60):
        z = torch.randn(64, 4)
        a = z @ mix + 0.1 * torch.randn(64, 12)
        b = z @ mix + 0.1 * torch.randn(64, 12)
        other = torch.randn(32, 4) @ mix
        loss, acc = nce(enc(a), enc(b), enc(other))
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 12 == 11:
            print(f"{step} loss {loss.item():.4f} acc {acc.item():.3f}")


main()
