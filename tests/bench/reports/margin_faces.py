import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class ArcHead(nn.Module):
    def __init__(self, dim, classes, s=16.0, m=0.3):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, dim))
        self.s, self.m = s, m

    def forward(self, emb, label):
        cosine = F.linear(F.normalize(emb), F.normalize(self.weight))
        sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(min=1e-6))
        phi = cosine * math.cos(self.m) - sine * math.sin(self.m)
        hot = F.one_hot(label, cosine.size(1)).bool()
        output = torch.where(hot, phi, cosine) * self.s
        loss = F.cross_entropy(cosine, label)  # bug
        # fix: loss = F.cross_entropy(output, label)
        return loss, output, cosine


torch.manual_seed(79)
centres = torch.randn(10, 20)
net = nn.Sequential(nn.Linear(20, 64), nn.PReLU(), nn.Linear(64, 16))
head = ArcHead(16, 10)
opt = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=5e-3)
for it in range(80):
    label = torch.randint(0, 10, (64,))
    x = centres[label] + 0.8 * torch.randn(64, 20)
    loss, output, cosine = head(net(x), label)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 16 == 15:
        acc = (cosine.argmax(1) == label).float().mean().item()
        print(f"it {it} loss {loss.item():.4f} acc {acc:.3f}")
