import torch
from torch import nn

torch.manual_seed(312)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.path = nn.Sequential(
            nn.ReLU(inplace=True),  # bug
            # fix: nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x):
        out = self.path(x)
        out += x
        return out


model = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), Block(6), Block(6), nn.Conv2d(6, 1, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
clean = torch.rand(24, 1, 8, 8)
for step in range(16):
    rows = torch.randperm(24)[:8]
    noisy = clean[rows] + 0.2 * torch.randn(8, 1, 8, 8)
    loss = nn.functional.mse_loss(model(noisy), clean[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
