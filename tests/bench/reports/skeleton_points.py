import random
import torch
from torch import nn

random.seed(53)
torch.manual_seed(53)
PAIRS = [(0, 1), (2, 3)]
W = 16


def body():
    heat = torch.zeros(5, W)
    pos = torch.tensor([3, 12, 5, 10]) + torch.randint(-2, 3, (4,))
    tint = [1.0, 1.0, 2.0, 2.0]
    for j, p in enumerate(pos.tolist()):
        heat[0, p] += tint[j]
    return heat[:1], pos.float() / (W - 1)


def augment(img, pts):
    if random.random() < 0.5:
        return img, pts
    img = img.flip(-1)
    pts = 1.0 - pts
    pts = pts.clone()  # bug
    # fix: pts = pts[[1, 0, 3, 2]]
    return img, pts


class PointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Flatten(), nn.Linear(W, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x):
        return self.f(x)


net = PointNet()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(80):
    items = [augment(*body()) for _ in range(64)]
    x = torch.stack([i[0] for i in items])
    y = torch.stack([i[1] for i in items])
    out = net(x)
    loss = nn.functional.l1_loss(out, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(f"step {step} l1 {loss.item():.4f}")
