import torch
import torch.nn as nn

torch.manual_seed(19)


class SmallUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.mid = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        d = self.down(x)
        m = self.up(self.mid(self.pool(d)))
        return self.head(torch.cat([d, m], dim=1))


def threshold(x, level=0.5):
    return (x > level).type(x.dtype).requires_grad_(True)


class DiceLoss(nn.Module):
    def __init__(self, eps=1.0):
        super().__init__()
        self.eps = eps

    def forward(self, logits, mask):
        prob = threshold(torch.sigmoid(logits))  # bug
        # fix: prob = torch.sigmoid(logits)
        inter = (prob * mask).sum(dim=(1, 2, 3))
        total = prob.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
        return (1 - (2 * inter + self.eps) / (total + self.eps)).mean()


def blobs(n, size=16):
    cx, cy = torch.randint(4, 12, (2, n, 1, 1))
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    mask = ((xx - cx) ** 2 + (yy - cy) ** 2 < 12).float().unsqueeze(1)
    return mask + 0.4 * torch.randn_like(mask), mask


net = SmallUNet()
criterion = DiceLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for it in range(30):
    img, mask = blobs(16)
    loss = criterion(net(img), mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 5 == 0 or it == 29:
        print(f"iter {it:2d} dice loss {loss.item():.4f}")
