import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(82)


def manual_cross_entropy(labels, logits, weight):
    ce = -weight * torch.sum(labels * F.log_softmax(logits, dim=-1), dim=-1)
    return torch.mean(ce)


class Regions(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, x):
        return F.normalize(self.f(x), dim=-1)


def step_loss(net, a, b, t=0.1):
    logits = net(a) @ net(b).T / t
    labels = torch.eye(len(a))
    weight = torch.ones(len(a))
    return manual_cross_entropy(logits, labels, weight=weight), logits  # bug
    # fix: return manual_cross_entropy(labels, logits, weight=weight), logits


net = Regions()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
mix = torch.randn(5, 10)
for i in range(60):
    z = torch.randn(32, 5)
    a = z @ mix + 0.1 * torch.randn(32, 10)
    b = z @ mix + 0.1 * torch.randn(32, 10)
    loss, logits = step_loss(net, a, b)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 12 == 11:
        acc = (logits.argmax(1) == torch.arange(32)).float().mean().item()
        print(f"{i} loss {loss.item():.4f} match {acc:.3f} mean logit {logits.mean().item():.3f}")
