import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(45)

MEAN, STD = 0.45, 0.3


class TinyImages(Dataset):
    def __init__(self, n=256):
        self.labels = torch.randint(0, 2, (n,))
        base = torch.rand(n, 1, 8, 8) * 0.5 + 0.2
        stripes = torch.zeros(8, 8)
        stripes[::2] = 0.15
        kinds = torch.stack([stripes, stripes.T])
        self.images = (base + kinds[self.labels].unsqueeze(1)).clamp(0, 1)

    def __len__(self):
        return len(self.labels)

    def transform(self, im):
        im.sub_(MEAN).div_(STD)  # bug
        # fix: im = (im - MEAN) / STD
        if torch.rand(1).item() < 0.5:
            im = im.flip(-1)
        return im

    def __getitem__(self, index):
        im, label = self.images[index], self.labels[index]
        return self.transform(im), label


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 8, 3, padding=1)
        self.c2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        x = F.relu(self.c2(F.relu(self.c1(x))))
        return self.fc(x.mean(dim=(2, 3)))


loader = DataLoader(TinyImages(), batch_size=32, shuffle=True)
model = ConvNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(7):
    total = 0.0
    for images, labels in loader:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch} loss {total / len(loader):.4f}")
