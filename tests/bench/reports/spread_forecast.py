import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(74)


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.loc = nn.Linear(32, 1)
        self.scale = nn.Linear(32, 1)

    def forward(self, x):
        h = self.body(x)
        return self.loc(h), F.softplus(self.scale(h)) + 1e-3


net = Heads()
criterion = nn.GaussianNLLLoss()
opt = torch.optim.Adam(net.parameters(), lr=2e-2)
NOISE = 3.0
for step in range(80):
    x = torch.randn(256, 2)
    y = 2 * x[:, :1] - x[:, 1:] + NOISE * torch.randn(256, 1)
    mu, sigma = net(x)
    loss = criterion(mu, y, sigma)  # bug
    # fix: loss = criterion(mu, y, sigma ** 2)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(f"step {step} nll {loss.item():.4f} sigma {sigma.mean().item():.3f}")
