import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(3)
SOBEL = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 4
KERNELS = torch.stack([SOBEL, SOBEL.t()]).unsqueeze(1)


def edge_map(img):
    g = F.conv2d(img, KERNELS, padding=1)
    return torch.sqrt((g**2).sum(dim=1, keepdim=True))  # bug
    # fix: return torch.sqrt((g**2).sum(dim=1, keepdim=True) + 1e-6)


class Restorer(nn.Module):
    """Small residual denoiser; the last layer starts at zero and the output is clipped to [0, 1]."""

    def __init__(self, width=12):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.tail = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.constant_(self.tail.bias, 0.01)

    def forward(self, x):
        return (x + self.tail(self.body(x))).clamp(0, 1)


def squares(n, size=20):
    img = torch.zeros(n, 1, size, size)
    for i in range(n):
        r, c = torch.randint(2, size - 8, (2,)).tolist()
        img[i, :, r : r + 6, c : c + 6] = 0.6
    return img


def criterion(out, target, alpha=0.5):
    l1 = (out - target).abs().mean()
    edges = (edge_map(out) - edge_map(target)).pow(2).mean()
    return l1 + alpha * edges, edges.detach()


model = Restorer()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
clean = squares(48)
noisy = clean.clone()
spots = torch.rand_like(clean) < 0.04
noisy[spots] = 1.0

for it in range(60):
    pick = torch.randint(0, 48, (12,))
    out = model(noisy[pick])
    loss, edges = criterion(out, clean[pick])
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    if it % 10 == 0 or it == 59:
        print(f"it {it:3d} loss {loss.item():.5f} edges {edges.item():.5f}")
