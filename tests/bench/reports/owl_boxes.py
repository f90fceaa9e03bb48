import torch
import torch.nn as nn

torch.manual_seed(75)


def centre_to_corner(b):
    c, s = b[:, :2], b[:, 2:]
    return torch.cat([c - s / 2, c + s / 2], 1)


def giou(a, b):
    area = lambda t: (t[:, 2:] - t[:, :2]).clamp(min=0).prod(1)
    inter = (torch.min(a[:, 2:], b[:, 2:]) - torch.max(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    union = area(a) + area(b) - inter
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    return inter / (union + 1e-6) - (hull - union) / (hull + 1e-6)


class BoxNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
        )

    def forward(self, x):
        return torch.sigmoid(self.f(x))


def scene(n):
    box = torch.cat([0.3 + 0.4 * torch.rand(n, 2), 0.1 + 0.3 * torch.rand(n, 2)], 1)
    return (box - 0.4) * 5, box


net = BoxNet()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(80):
    x, target = scene(128)
    pred = net(x)
    g = giou(pred, target)  # bug
    # fix: g = giou(centre_to_corner(pred), centre_to_corner(target))
    loss = (1 - g).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            f"step {step} loss {loss.item():.4f} coord err {(pred - target).abs().mean().item():.4f}"
        )
