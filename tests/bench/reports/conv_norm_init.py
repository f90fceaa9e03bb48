import torch
import torch.nn as nn

torch.manual_seed(10)


class ConvBnReLU(nn.Sequential):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__(
            nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
        )


class SmallNet(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.features = nn.Sequential(
            ConvBnReLU(1, 8),
            ConvBnReLU(8, 16, stride=2),
            ConvBnReLU(16, 16),
        )
        self.classifier = nn.Linear(16, n_classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean(dim=(2, 3)))


def init_weights(module):
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, 1)
            nn.init.constant_(m.weight, 0)  # bug
            # fix: nn.init.constant_(m.bias, 0)


waves = torch.linspace(0, 6.28, 12)
labels = torch.randint(0, 3, (120,))
images = torch.stack([torch.sin((l + 1) * waves)[None, :].expand(12, 12) for l in labels.tolist()])
images = (images + 0.3 * torch.randn(120, 12, 12)).unsqueeze(1)

net = SmallNet(3)
init_weights(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for step in range(30):
    idx = torch.randint(0, 120, (24,))
    loss = criterion(net(images[idx]), labels[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 6 == 0 or step == 29:
        print(f"step {step:2d}  loss {loss.item():.4f}")
