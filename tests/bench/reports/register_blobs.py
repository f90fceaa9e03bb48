import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(15)
S = 16
gy, gx = torch.meshgrid(torch.linspace(-1, 1, S), torch.linspace(-1, 1, S), indexing="ij")


def picture(cx, cy):
    a = torch.exp(-((gx - cx[:, None, None]) ** 2 / 0.02 + (gy - cy[:, None, None]) ** 2 / 0.15))
    b = 0.7 * torch.exp(
        -((gx - cx[:, None, None] - 0.4) ** 2 + (gy - cy[:, None, None]) ** 2) / 0.03
    )
    return (a + b)[:, None]


def pairs(n):
    c = torch.rand(n, 2) * 0.4 - 0.2
    d = torch.rand(n, 2) * 0.5 - 0.25
    return picture(c[:, 0], c[:, 1]), picture(c[:, 0] + d[:, 0], c[:, 1] + d[:, 1])


class Aligner(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 64),
            nn.ReLU(),
            nn.Linear(64, 2),
        )
        self.net[-1].weight.data.mul_(0.1)
        self.register_buffer("base", torch.stack([gy, gx], dim=-1)[None])  # bug
        # fix: self.register_buffer("base", torch.stack([gx, gy], dim=-1)[None])

    def forward(self, moving, fixed):
        shift = self.net(torch.cat([moving, fixed], 1))
        grid = self.base + shift[:, None, None, :]
        return F.grid_sample(moving, grid, align_corners=True, padding_mode="border")


model = Aligner()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(80):
    m, f = pairs(48)
    loss = F.mse_loss(model(m, f), f)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            step,
            "aligned mse",
            round(loss.item(), 5),
            "unaligned mse",
            round(F.mse_loss(m, f).item(), 5),
        )
