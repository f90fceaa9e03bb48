import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(40)
rng = np.random.RandomState(40)


def weighted_mask_loss(logits, mask):
    raw = nn.functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    pos, neg = mask, 1 - mask
    loss_pos = (raw * pos).sum() / pos.sum()  # bug
    # fix: loss_pos = (raw * pos).sum() / pos.sum().clamp(min=1)
    loss_neg = (raw * neg).sum() / neg.sum()
    return loss_pos + loss_neg


def picture():
    img = rng.normal(0, 0.3, (1, 12, 12)).astype("float32")
    mask = np.zeros((1, 12, 12), "float32")
    if rng.rand() < 0.6:
        r = rng.randint(0, 12)
        mask[0, r] = 1
        img[0, r] += 1.5
    return img, mask


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(60):
    pics = [picture() for _ in range(4)]
    x = torch.from_numpy(np.stack([p[0] for p in pics]))
    y = torch.from_numpy(np.stack([p[1] for p in pics]))
    loss = weighted_mask_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 9:
        print("step", step, "loss", loss.item(), "positives", int(y.sum()))
