import torch
from torch import nn

torch.manual_seed(0)
net = nn.Conv2d(1, 1, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), lr=0.02)


def aug(img, seg):
    if torch.rand(()) < 0.5:
        img = img.flip(-1)  # bug
        # fix: img, seg = img.flip(-1), seg.flip(-1)
    return img, seg


for _ in range(25):
    img = torch.randn(8, 1, 12, 12)
    seg = (img > 0.5).float()
    img, seg = aug(img, seg)
    loss = nn.functional.binary_cross_entropy_with_logits(net(img), seg)
    opt.zero_grad()
    loss.backward()
    opt.step()
