import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)
net = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
direction = torch.randn(8)


def harder(x, y, eps=0.15, rounds=3):
    delta = torch.zeros_like(x).uniform_(-eps, eps)
    for _ in range(rounds):
        delta.requires_grad_(True)
        (g,) = torch.autograd.grad(F.cross_entropy(net(x + delta), y), delta)
        delta = (delta.detach() + 0.4 * eps * g.sign()).clamp(-eps, eps)
    return x + delta


for step in range(70):
    x = torch.randn(64, 8)
    y = (x @ direction > 0).long()
    loss = F.cross_entropy(net(harder(x, y)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 14 == 13:
        print(
            step,
            "robust",
            round(loss.item(), 4),
            "clean",
            round(F.cross_entropy(net(x), y).item(), 4),
        )
