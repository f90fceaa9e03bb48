import torch
import torch.nn as nn

torch.manual_seed(102)


class Skip(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, d))
        self.layer_scale = nn.Parameter(torch.zeros(d))

    def forward(self, x):
        return x + self.layer_scale * self.f(x)


net = nn.Sequential(nn.Linear(6, 48), *[Skip(48) for _ in range(6)], nn.Linear(48, 1))
nn.init.zeros_(net[-1].bias)
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(80):
    x = torch.randn(128, 6)
    y = torch.sin(2 * x[:, :1]) * x[:, 1:2]
    loss = (net(x) - y).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            f"step {step} loss {loss.item():.4f} gates {[round(b.layer_scale.abs().mean().item(), 4) for b in net[1:-1]]}"
        )
