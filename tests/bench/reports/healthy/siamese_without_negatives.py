import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(103)
enc = nn.Sequential(
    nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32), nn.BatchNorm1d(32)
)
pred = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 32))
opt = torch.optim.SGD([*enc.parameters(), *pred.parameters()], lr=0.05, momentum=0.9)
mix = torch.randn(6, 16)


def half(p, z):
    return -F.cosine_similarity(p, z.detach(), dim=-1).mean()


for step in range(60):
    z0 = torch.randn(128, 6) @ mix
    a, b = enc(z0 + 0.3 * torch.randn(128, 16)), enc(z0 + 0.3 * torch.randn(128, 16))
    loss = 0.5 * half(pred(a), b) + 0.5 * half(pred(b), a)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 12 == 11:
        print(
            f"{step} loss {loss.item():.4f} spread {F.normalize(a, dim=-1).std(0).mean().item():.4f}"
        )
