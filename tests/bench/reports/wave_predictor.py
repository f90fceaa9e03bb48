import torch
import torch.nn as nn
import torch.nn.functional as F


class TemporalLayer(nn.Module):
    def __init__(self, cin, cout, k=3, dilation=1):
        super().__init__()
        self.reach = (k - 1) * dilation
        self.conv = nn.Conv1d(cin, cout, k, dilation=dilation)

    def forward(self, x):
        x = F.pad(x, (self.reach // 2, self.reach // 2))  # bug
        # fix: x = F.pad(x, (self.reach, 0))
        return self.conv(x)


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = TemporalLayer(1, 24)
        self.l2 = TemporalLayer(24, 24, dilation=2)
        self.out = nn.Conv1d(24, 1, 1)

    def forward(self, x):
        return self.out(torch.relu(self.l2(torch.relu(self.l1(x)))))


def series(n=32, t=64):
    x = torch.zeros(n, t)
    for i in range(1, t):
        x[:, i] = 0.8 * x[:, i - 1] + torch.randn(n)
    return x.unsqueeze(1)


torch.manual_seed(59)
net = Forecaster()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(80):
    s = series()
    pred = net(s[..., :-1])
    loss = F.mse_loss(pred, s[..., 1:])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(f"step {step} mse {loss.item():.4f}")
