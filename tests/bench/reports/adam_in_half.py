import torch
from torch import nn

torch.manual_seed(10)


class HappyNet(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.block1 = nn.Sequential(nn.Linear(36, 48), nn.ReLU())
        self.block2 = nn.Sequential(nn.Linear(48, 48), nn.ReLU())
        self.head = nn.Linear(48, classes)

    def forward(self, x):
        return self.head(self.block2(self.block1(x)))


def faces(n):
    y = torch.randint(0, 3, (n,))
    x = torch.rand(n, 6, 6) * 0.3
    x[y == 0, 1] += 0.6
    x[y == 1, :, 2] += 0.6
    x[y == 2, 4] += 0.6
    return x.flatten(1), y


model = HappyNet().half()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # bug
# fix: optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-4)

for epoch in range(8):
    total = 0.0
    for it in range(12):
        images, labels = faces(32)
        outputs = model(images.half())
        loss = criterion(outputs.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print("Epoch: %d  Loss: %.4f" % (epoch, total / 12))
