import math
import torch
import torch.nn as nn

torch.manual_seed(9)

T = 100
betas = torch.linspace(1e-4, 0.05, T)
alphas_bar = torch.cumprod(1.0 - betas, dim=0)


class NoiseNet(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.t_embed = nn.Embedding(T, hidden)
        self.inp = nn.Linear(2, hidden)
        self.body = nn.Sequential(
            nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 2)
        )

    def forward(self, x, t):
        return self.body(self.inp(x) + self.t_embed(t))


def diffuse(x0, t):
    noise = torch.rand_like(x0)  # bug
    # fix: noise = torch.randn_like(x0)
    a = alphas_bar[t].unsqueeze(1)
    return a.sqrt() * x0 + (1 - a).sqrt() * noise, noise


def swirl(n):
    r = torch.rand(n).sqrt()
    phi = 3 * math.pi * r
    xy = torch.stack([r * torch.cos(phi), r * torch.sin(phi)], dim=1)
    return (xy + 0.02 * torch.randn(n, 2)) / 0.5


data = swirl(2000)
model = NoiseNet()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for step in range(60):
    x0 = data[torch.randint(0, 2000, (256,))]
    t = torch.randint(0, T, (256,))
    x_t, noise = diffuse(x0, t)
    loss = (noise - model(x_t, t)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d}  eps loss {loss.item():.4f}")
