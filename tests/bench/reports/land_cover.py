import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(31)
CLASSES = 6
palette = torch.randn(CLASSES, 3) * 1.5


def tiles(n, size=32, cell=4):
    coarse = torch.randint(0, 2, (n, 1, size // cell, size // cell)) * 5
    lab = F.interpolate(coarse.float(), scale_factor=cell, mode="nearest")[:, 0].long()
    lab = lab.roll(1, dims=-1).roll(1, dims=-2)
    img = palette[lab].permute(0, 3, 1, 2) + 0.2 * torch.randn(n, 3, size, size)
    return img, lab


def shrink(img, lab, size=16):
    img = F.interpolate(img, size=(size, size), mode="bilinear", align_corners=False)
    lab = lab[:, None].float()
    lab = F.interpolate(lab, size=(size, size), mode="bilinear")[:, 0].long()  # bug
    # fix: lab = F.interpolate(lab, size=(size, size), mode="nearest")[:, 0].long()
    return img, lab


net = nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, CLASSES, 3, padding=1))
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(60):
    x, y = shrink(*tiles(8))
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 12 == 11:
        print(
            step,
            "loss",
            round(loss.item(), 4),
            "classes in batch",
            torch.bincount(y.flatten(), minlength=CLASSES).tolist(),
        )
big, big_lab = tiles(16)
x, _ = shrink(big, big_lab)
y = big_lab[:, ::2, ::2]
with torch.no_grad():
    guess = net(x).argmax(1)
print(
    "accuracy",
    round((guess == y).float().mean().item(), 4),
    "predicted",
    torch.bincount(guess.flatten(), minlength=CLASSES).tolist(),
)
