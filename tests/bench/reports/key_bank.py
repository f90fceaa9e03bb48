import copy
import torch
import torch.nn as nn
import torch.nn.functional as F


class Bank(nn.Module):
    def __init__(self, size=256, dim=16, m=0.9, temp=0.2):
        super().__init__()
        self.q = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, dim))
        self.k = copy.deepcopy(self.q).requires_grad_(False)
        self.m, self.temp = m, temp
        self.register_buffer("queue", F.normalize(torch.randn(size, dim), dim=1))
        self.ptr = 0

    @torch.no_grad()
    def push(self, keys):
        n = len(keys)
        self.queue[self.ptr : self.ptr + n] = keys
        self.ptr = (self.ptr + n) % len(self.queue)

    def forward(self, a, b):
        q = F.normalize(self.q(a), dim=1)
        with torch.no_grad():
            if self.training:
                for pk, pq in zip(self.k.parameters(), self.q.parameters()):
                    pk.lerp_(pq, 1 - self.m)
            k = F.normalize(self.k(b), dim=1)
        pos, neg = (q * k).sum(1, keepdim=True), q @ self.queue.clone().T
        loss = F.cross_entropy(
            torch.cat([pos, neg], 1) / self.temp, torch.zeros(len(a), dtype=torch.long)
        )
        self.push(k)  # bug
        # fix: if self.training:
        # fix:     self.push(k)
        return loss


def views(n, spread):
    base = spread * torch.randn(n, 12)
    return base + 0.2 * torch.randn(n, 12), base + 0.2 * torch.randn(n, 12)


torch.manual_seed(57)
net = Bank()
opt = torch.optim.Adam(net.q.parameters(), lr=5e-3)
for epoch in range(8):
    net.train()
    for _ in range(8):
        loss = net(*views(32, 1.0))
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        val = sum(net(*views(32, 0.1)).item() for _ in range(8)) / 8
    print("epoch", epoch, "train", round(loss.item(), 4), "val", round(val, 4))
