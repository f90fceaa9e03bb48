import torch
import torch.nn as nn

torch.manual_seed(31)


def to_corners(box):
    centre, size = box[:, :2], box[:, 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


def pair_iou(a, b, eps=1e-7):
    lt = torch.max(a[:, :2], b[:, :2])
    rb = torch.min(a[:, 2:], b[:, 2:])
    wh = rb - lt  # bug
    # fix: wh = (rb - lt).clamp(min=0)
    inter = wh[:, 0] * wh[:, 1]
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    return inter / (area_a + area_b - inter + eps)


class BoxHead(nn.Module):
    def __init__(self, feat):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(feat, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, f):
        raw = self.net(f)
        return torch.cat([torch.sigmoid(raw[:, :2]), 0.5 * torch.sigmoid(raw[:, 2:] - 1.0)], dim=1)


boxes = torch.cat([0.1 + 0.8 * torch.rand(300, 2), 0.1 + 0.15 * torch.rand(300, 2)], dim=1)
mix = torch.randn(4, 12)
features = (boxes - 0.5) @ mix + 0.02 * torch.randn(300, 12)

head = BoxHead(12)
optimizer = torch.optim.Adam(head.parameters(), lr=5e-3)
for step in range(60):
    idx = torch.randint(0, 300, (64,))
    pred = head(features[idx])
    iou = pair_iou(to_corners(pred), to_corners(boxes[idx]))
    loss_iou = (1.0 - iou).mean()
    loss_l1 = (pred - boxes[idx]).abs().mean()
    loss = loss_iou + loss_l1
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(
            f"step {step:2d}  loss {loss.item():.4f}  iou term {loss_iou.item():.4f}  l1 {loss_l1.item():.4f}"
        )
