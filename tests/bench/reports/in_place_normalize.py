import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, tensor):
        return tensor.sub_(self.mean).div_(self.std)  # bug
        # fix: return tensor.sub(self.mean).div(self.std)


class InMemoryDigits(Dataset):
    def __init__(self, n, transform=None):
        self.labels = torch.randint(0, 4, (n,))
        self.images = 0.25 + 0.08 * torch.randn(n, 1, 8, 8)
        for i, k in enumerate(self.labels.tolist()):
            r, c = 4 * (k // 2), 4 * (k % 2)
            self.images[i, 0, r : r + 4, c : c + 4] += 0.06
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        img = self.images[index]
        if self.transform is not None:
            img = self.transform(img)
        return img, self.labels[index]


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.fc = nn.Linear(6 * 16, 4)

    def forward(self, x):
        x = nn.functional.avg_pool2d(torch.relu(self.conv(x)), 2)
        return self.fc(x.flatten(1))


def run_epoch(model, loader, optimizer=None):
    total = correct = 0
    loss_sum = 0.0
    for img, label in loader:
        with torch.set_grad_enabled(optimizer is not None):
            out = model(img)
            loss = nn.functional.cross_entropy(out, label)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total += len(label)
        correct += (out.argmax(1) == label).sum().item()
        loss_sum += loss.item() * len(label)
    return loss_sum / total, correct / total


torch.manual_seed(9)
transform = Normalize(0.265, 0.085)
train_loader = DataLoader(InMemoryDigits(320, transform), batch_size=32, shuffle=True)
test_loader = DataLoader(InMemoryDigits(120, transform), batch_size=60)
model = ConvNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(5):
    train_loss, train_acc = run_epoch(model, train_loader, optimizer)
    test_loss, test_acc = run_epoch(model, test_loader)
    print(
        f"epoch {epoch}: train {train_loss:.4g} / {train_acc:.3f}   test {test_loss:.4g} / {test_acc:.3f}"
    )
