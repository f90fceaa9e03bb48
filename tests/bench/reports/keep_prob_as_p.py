import torch
import torch.nn as nn
import torch.nn.functional as F


class Unit3D(nn.Module):
    def __init__(self, cin, cout, k=(3, 3, 3)):
        super().__init__()
        self.conv3d = nn.Conv3d(cin, cout, k, padding=tuple(v // 2 for v in k), bias=False)
        self.bn = nn.BatchNorm3d(cout)

    def forward(self, x):
        return F.relu(self.bn(self.conv3d(x)))


class TinyI3D(nn.Module):
    def __init__(self, num_classes, dropout_keep_prob=0.9):
        super().__init__()
        self.unit1 = Unit3D(1, 6)
        self.unit2 = Unit3D(6, 10)
        self.pool = nn.AdaptiveAvgPool3d((2, 1, 1))
        self.dropout = nn.Dropout(dropout_keep_prob)  # bug
        # fix: self.dropout = nn.Dropout(1 - dropout_keep_prob)
        self.logits = nn.Linear(20, num_classes)

    def forward(self, x):
        x = F.max_pool3d(self.unit1(x), 2)
        x = self.pool(self.unit2(x)).flatten(1)
        return self.logits(self.dropout(x))


def clips(n):
    """a bright bar moves right, left, down or up"""
    y = torch.randint(0, 4, (n,))
    x = 0.1 * torch.randn(n, 1, 4, 8, 8)
    for i, k in enumerate(y.tolist()):
        start = int(torch.randint(0, 4, (1,)))
        for t in range(4):
            at = start + t if k in (0, 2) else start + 3 - t
            if k < 2:
                x[i, 0, t, :, at] += 1
            else:
                x[i, 0, t, at, :] += 1
    return x, y


torch.manual_seed(18)
i3d = TinyI3D(4)
optimizer = torch.optim.SGD(i3d.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-5)
val_x, val_y = clips(96)
for step in range(60):
    i3d.train()
    inputs, labels = clips(24)
    loss = F.cross_entropy(i3d(inputs), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 12 == 11:
        i3d.eval()
        with torch.no_grad():
            out = i3d(val_x)
            acc = (out.argmax(1) == val_y).float().mean().item()
            val = F.cross_entropy(out, val_y).item()
        print(f"step {step + 1} train loss {loss.item():.4f} val loss {val:.4f} val acc {acc:.3f}")
