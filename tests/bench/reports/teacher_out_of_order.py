import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Params:
    alpha, temperature = 0.9, 4.0
    batch_size, num_epochs, learning_rate = 50, 8, 5e-3


class ConvNet(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3, padding=1)
        self.fc = nn.Linear(channels * 16, 4)

    def forward(self, x):
        return self.fc(F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1))


def loss_fn_kd(outputs, labels, teacher_outputs, params):
    T = params.temperature
    kd = F.kl_div(
        F.log_softmax(outputs / T, dim=1),
        F.softmax(teacher_outputs / T, dim=1),
        reduction="batchmean",
    )
    return kd * params.alpha * T * T + F.cross_entropy(outputs, labels) * (1 - params.alpha)


def fetch_teacher_outputs(teacher, dataloader):
    teacher.eval()
    outputs = []
    with torch.no_grad():
        for images, _ in dataloader:
            outputs.append(teacher(images))
    return outputs


def images(n):
    y = torch.randint(0, 4, (n,))
    x = 0.5 * torch.randn(n, 1, 8, 8)
    for i, k in enumerate(y.tolist()):
        if k < 2:
            x[i, 0, :, 2 + 3 * k] += 1.0
        else:
            x[i, 0, 2 + 3 * (k - 2), :] += 1.0
    return x, y


def train(model, loader, params, teacher=None):
    optimizer = torch.optim.Adam(model.parameters(), lr=params.learning_rate)
    cached = fetch_teacher_outputs(teacher, loader) if teacher is not None else None  # bug
    for epoch in range(params.num_epochs):
        total = 0.0
        for i, (x, y) in enumerate(loader):
            out = model(x)
            if teacher is None:
                loss = F.cross_entropy(out, y)
            else:
                soft = cached[i]  # bug
                # fix: with torch.no_grad():
                # fix: soft = teacher(x)
                loss = loss_fn_kd(out, y, soft, params)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() / len(loader)
        if teacher is not None or epoch == params.num_epochs - 1:
            x, y = test_set
            acc = (model(x).argmax(1) == y).float().mean().item()
            print(
                f"{'student' if teacher is not None else 'teacher'} epoch {epoch} loss {total:.4f} test acc {acc:.3f}"
            )


torch.manual_seed(181)
params = Params()
train_loader = DataLoader(TensorDataset(*images(500)), batch_size=params.batch_size, shuffle=True)
test_set = images(300)
teacher = ConvNet(16)
train(teacher, train_loader, params)
train(ConvNet(4), train_loader, params, teacher)
