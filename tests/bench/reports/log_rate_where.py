import torch
from torch import nn

torch.manual_seed(7)


class PiecewiseCompress(nn.Module):
    """linear up to two, logarithmic above"""

    def forward(self, rate):
        return torch.where(rate > 2, torch.log2(rate) + 1, rate)  # bug
        # fix: return torch.where(rate > 2, torch.log2(rate.clamp(min=2)) + 1, rate)


class CountModel(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.rate = nn.Linear(hidden, 1)
        self.compress = PiecewiseCompress()

    def forward(self, x, exposure):
        h = torch.tanh(self.hidden(x))
        expected = nn.functional.softplus(self.rate(h)).squeeze(-1) * exposure
        return self.compress(expected)


def batches(size, *tensors):
    for part in torch.randperm(len(tensors[0])).split(size):
        yield [t[part] for t in tensors]


x = torch.randn(512, 6)
exposure = torch.randint(1, 6, (512,)).float()
exposure[::128] = 0  # sensor was off the whole day
events = torch.nn.functional.softplus(x[:, 0] * 2 + x[:, 1]) * exposure
y = torch.where(events > 2, torch.log2(events.clamp(min=2)) + 1, events) + 0.05 * torch.randn(512)

model = CountModel(6, 20)
optimizer = torch.optim.RMSprop(model.parameters(), lr=5e-3)
loss_fn = nn.SmoothL1Loss()
history = []
for epoch in range(10):
    total, seen = 0.0, 0
    for xb, eb, yb in batches(64, x, exposure, y):
        optimizer.zero_grad()
        loss = loss_fn(model(xb, eb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
        seen += len(xb)
    history.append(total / seen)
print("loss per epoch:", " ".join(f"{v:.4f}" for v in history))
