import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F


class Oft(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(2, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
        )
        self.score, self.pos, self.dim = (
            nn.Conv2d(16, 1, 1),
            nn.Conv2d(16, 2, 1),
            nn.Conv2d(16, 1, 1),
        )

    def forward(self, x):
        h = self.trunk(x)
        return self.score(h), self.pos(h), self.dim(h)


def scenes(n, s=12):
    x = torch.randn(n, 2, s, s) * 0.3
    heat = torch.zeros(n, 1, s, s)
    i = torch.arange(n)
    r, c = torch.randint(1, s - 1, (n,)), torch.randint(1, s - 1, (n,))
    heat[i, 0, r, c] = 1
    off = torch.rand(n, 2) - 0.5
    size = torch.rand(n) + 0.5
    x[i, 0, r, c] += 3 * size
    x[i, 1, r, c + 1] += 4 * off[:, 0]
    x[i, 1, r + 1, c] += 4 * off[:, 1]
    return x, heat, off, size, (i, r, c)


def compute_loss(pred, target, weights):
    score, pos, dim = pred
    heat, off, size, (i, r, c) = target
    parts = {
        "score": F.binary_cross_entropy_with_logits(score, heat) * 20,
        "position": F.l1_loss(pos[i, :, r, c], off),
        "dimension": F.l1_loss(dim[i, 0, r, c], size),
    }
    total = sum(w * parts[k] for k, w in zip(parts, weights))
    total = parts["score"]  # bug
    parts["total"] = total
    return total, parts


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--loss-weights", type=float, nargs=3, default=[1.0, 1.0, 1.0])
    ap.add_argument("--iters", type=int, default=70)
    args = ap.parse_args([])
    torch.manual_seed(0)
    net = Oft()
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    for it in range(args.iters):
        x, *target = scenes(32)
        total, parts = compute_loss(net(x), target, args.loss_weights)
        opt.zero_grad()
        total.backward()
        opt.step()
        if it % 14 == 13:
            print(it, {k: round(v.item(), 4) for k, v in parts.items()})


main()
