import torch
from torch import nn

torch.manual_seed(66)
MAX_SET = 9


class SetAttention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.query = nn.Parameter(0.1 * torch.randn(dim))
        self.k, self.v = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x, mask):
        scores = self.k(x) @ self.query / x.shape[-1] ** 0.5
        scores.masked_fill_(mask, -1e4)  # bug
        # fix: scores.masked_fill_(~mask, -1e4)
        weights = scores.softmax(dim=1)
        return (weights.unsqueeze(-1) * self.v(x)).sum(1)


class SetRegressor(nn.Module):
    def __init__(self, features=3, dim=32):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(features, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.pool = SetAttention(dim)
        self.head = nn.Linear(dim, 1)

    def forward(self, x, mask):
        return self.head(self.pool(self.embed(x), mask)).squeeze(-1)


def sets(n):
    """target: mean of the first feature over the real elements"""
    length = torch.randint(2, MAX_SET, (n, 1))
    mask = torch.arange(MAX_SET) < length
    x = torch.randn(n, MAX_SET, 3) + torch.randn(n, 1, 3)
    x = x * mask.unsqueeze(-1)
    return x, mask, x[:, :, 0].sum(1) / mask.sum(1)


model = SetRegressor()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
log = []
for step in range(8):
    x, mask, y = sets(64)
    loss = loss_fn(model(x, mask), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log.append(loss.item())
    if (step + 1) % 50 == 0:
        print(f"{step + 1:4d}  mse {sum(log[-50:]) / 50:.4f}")
