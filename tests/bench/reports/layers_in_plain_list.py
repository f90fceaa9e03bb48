import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


def make_rings(n):
    radius = torch.randint(0, 3, (n,))
    angle = torch.rand(n) * 6.2832
    r = 0.5 + radius.float() + 0.12 * torch.randn(n)
    return torch.stack([r * angle.cos(), r * angle.sin()], dim=1), radius


class PremiseNet(nn.Module):
    def __init__(self, n_in, n_hid, n_layers, n_out, act="Tanh"):
        super().__init__()
        self.stem = nn.Linear(n_in, n_hid)
        self.hids = []  # bug
        # fix: self.hids = nn.ModuleList()
        for _ in range(n_layers):
            self.hids.append(nn.Sequential(nn.Linear(n_hid, n_hid), getattr(nn, act)()))
        self.classifier = nn.Linear(n_hid, n_out)

    def forward(self, x):
        h = torch.tanh(self.stem(x))
        for block in self.hids:
            h = block(h)
        return self.classifier(h)


x_train, y_train = make_rings(768)
x_test, y_test = make_rings(256)
net = PremiseNet(2, 24, n_layers=3, n_out=3)
print("parameters:", sum(p.numel() for p in net.parameters()))
optimizer = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)

for epoch in range(12):
    order = torch.randperm(len(x_train))
    running = 0.0
    for start in range(0, len(order), 64):
        idx = order[start : start + 64]
        loss = F.cross_entropy(net(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(idx)
    with torch.no_grad():
        acc = (net(x_test).argmax(1) == y_test).float().mean()
    print(f"epoch {epoch:2d}  loss {running / len(order):.4f}  test acc {acc:.3f}")
