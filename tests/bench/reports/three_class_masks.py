import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(52)
CLASSES = 3


def make(n, size=32):
    img = torch.zeros(n, 1, size, size)
    lab = torch.zeros(n, size, size, dtype=torch.long)
    for i in range(n):
        for _ in range(6):
            r, c = torch.randint(0, size - 5, (2,)).tolist()
            img[i, 0, r : r + 4, c : c + 4] = 1.0
            lab[i, r : r + 4, c : c + 4] = 2
    return img + 0.05 * torch.randn_like(img), lab


def shrink(img, lab, size=12):
    img = F.interpolate(img, size=(size, size), mode="bilinear", align_corners=False)
    lab = F.interpolate(lab[:, None].float(), size=(size, size), mode="bilinear")  # bug
    # fix: lab = F.interpolate(lab[:, None].float(), size=(size, size), mode="nearest")
    return img, lab.squeeze(1).long()


net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, CLASSES, 3, padding=1))
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
images, labels = make(48)
for step in range(60):
    idx = torch.randint(0, 48, (16,))
    x, y = shrink(images[idx], labels[idx])
    logits = net(x)
    loss = F.cross_entropy(logits, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 12 == 11:
        print(f"step {step} loss {loss.item():.4f}")
