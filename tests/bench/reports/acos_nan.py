import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(10)


class DirectionRefiner(nn.Module):
    """Predicts a correction to a measured unit direction."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(5, 64)
        self.fc2 = nn.Linear(64, 3)
        nn.init.normal_(self.fc2.weight, std=1e-4)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, direction, context):
        h = torch.tanh(self.fc1(torch.cat([direction, context], dim=1)))
        return F.normalize(direction + self.fc2(h), dim=1)


def angular_error(pred, target):
    cos = (pred * target).sum(dim=1).clamp(-1.0, 1.0)  # bug
    # fix: cos = (pred * target).sum(dim=1).clamp(-1.0 + 1e-6, 1.0 - 1e-6)
    return torch.acos(cos).mean()


def measurements(n):
    d = F.normalize(torch.randn(n, 3), dim=1)
    bent = torch.rand(n, 1) < 0.7
    bias = torch.randn(n, 2)
    shift = torch.cat([bias, torch.zeros(n, 1)], dim=1) * 0.5
    target = torch.where(bent, F.normalize(d + shift, dim=1), d)
    context = torch.where(bent, bias, torch.zeros_like(bias))
    return d, context, target


model = DirectionRefiner()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(60):
    d, context, target = measurements(128)
    loss = angular_error(model(d, context), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} angle {loss.item():.4f} rad")
