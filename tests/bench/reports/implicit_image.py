import torch
import torch.nn as nn

torch.manual_seed(3)


class ResBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, h):
        return h + self.fc2(torch.relu(self.fc1(h)))


class CoordNet(nn.Module):
    def __init__(self, width=32, depth=4):
        super().__init__()
        self.stem = nn.Linear(2, width)
        self.blocks = [ResBlock(width) for _ in range(depth)]  # bug
        # fix: self.blocks = nn.ModuleList([ResBlock(width) for _ in range(depth)])
        self.head = nn.Linear(width, 1)

    def forward(self, xy):
        h = torch.relu(self.stem(xy))
        for block in self.blocks:
            h = block(h)
        return self.head(h)


side = torch.linspace(-1, 1, 16)
grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1).reshape(-1, 2)
pixels = torch.sin(3 * grid[:, :1]) * torch.cos(2 * grid[:, 1:])

net = CoordNet()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
mse = nn.MSELoss()

for epoch in range(60):
    optimizer.zero_grad()
    loss = mse(net(grid), pixels)
    loss.backward()
    optimizer.step()
    if epoch % 15 == 0 or epoch == 59:
        print(f"epoch {epoch:2d}  mse {loss.item():.5f}")
