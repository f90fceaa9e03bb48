import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)


class SqrtUnit(nn.Module):
    """Compressive activation: square root of the positive part."""

    def forward(self, h):
        return torch.where(h > 0, torch.sqrt(h), torch.zeros_like(h))  # bug
        # fix: return torch.where(h > 0, torch.sqrt(h.clamp(min=1e-4)), torch.zeros_like(h))


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(5, 40)
        self.act = SqrtUnit()
        self.out = nn.Linear(40, 1)

    def forward(self, x):
        return self.out(self.act(self.inp(x)))


w_true = torch.tensor([0.7, -1.2, 0.4, 0.0, 0.9])
net = Regressor()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

for i in range(60):
    x = torch.randn(64, 5)
    y = torch.tanh(x @ w_true).unsqueeze(1) + 0.05 * torch.randn(64, 1)
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 10 == 0 or i == 59:
        print(i, loss.item())
