import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F

ap = argparse.ArgumentParser()
ap.add_argument("--experts", type=int, default=4)
ap.add_argument("--topk", type=int, default=1)
ap.add_argument("--steps", type=int, default=80)
args = ap.parse_args([])


class Switch(nn.Module):
    def __init__(self, dim, n, k):
        super().__init__()
        self.k = k
        self.gate = nn.Linear(dim, n, bias=False)
        self.experts = nn.ModuleList(nn.Linear(dim, dim) for _ in range(n))

    def forward(self, x):
        logits = self.gate(x)
        top, idx = logits.topk(self.k, dim=-1)  # bug
        w = top.softmax(dim=-1)  # bug
        # fix: w, idx = logits.softmax(dim=-1).topk(self.k, dim=-1)
        out = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            for slot in range(self.k):
                rows = (idx[:, slot] == e).nonzero().flatten()
                if rows.numel():
                    out = out.index_add(0, rows, w[rows, slot, None] * expert(x[rows]))
        return x + out, idx


torch.manual_seed(7)
D = 8
switch, head = Switch(D, args.experts, args.topk), nn.Linear(D, 1)
opt = torch.optim.Adam(list(switch.parameters()) + list(head.parameters()), lr=1e-2)
X = torch.randn(512, D)
Y = torch.where(X[:, :1] > 0, X[:, 1:2] * 2, -X[:, 2:3] * 2)
for s in range(args.steps):
    h, idx = switch(X)
    loss = F.mse_loss(head(h), Y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if s % 20 == 19:
        print(f"{s}: loss={loss.item():.4f}")
