import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(44)


class Probe(nn.Module):
    def __init__(self, backbone, feat=32, classes=3):
        super().__init__()
        self.backbone = backbone
        self.fc = nn.Linear(feat, classes)

    def forward(self, x):
        return self.fc(self.backbone(x))


def pretrained_backbone():
    net = nn.Sequential(
        nn.Linear(10, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
    )
    with torch.no_grad():
        for _ in range(40):
            net(torch.randn(256, 10))
    return net


backbone = pretrained_backbone()
for p in backbone.parameters():
    p.requires_grad = False
model = Probe(backbone)

x = 1.5 * torch.randn(384, 10) + 0.7
y = (x @ torch.randn(10, 3)).argmax(dim=1)
loader = DataLoader(TensorDataset(x, y), batch_size=48, shuffle=True)
optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.1, momentum=0.9)

for epoch in range(6):
    model.train()
    # fix: model.backbone.eval()
    losses = []
    for xb, yb in loader:
        loss = F.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        acc = (model(x).argmax(1) == y).float().mean().item()
    print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f} acc {acc:.3f}")
