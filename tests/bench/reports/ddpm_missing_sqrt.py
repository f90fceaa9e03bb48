import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(27)

TIMESTEPS = 100
betas = torch.linspace(1e-4, 0.05, TIMESTEPS)
alphas = 1.0 - betas
ab_t = torch.cumprod(alphas, dim=0)


class Denoiser(nn.Module):
    def __init__(self, dim=2, hidden=96):
        super().__init__()
        self.time = nn.Embedding(TIMESTEPS, 32)
        self.net = nn.Sequential(
            nn.Linear(dim + 32, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, dim),
        )

    def forward(self, x, t):
        return self.net(torch.cat([x, self.time(t)], dim=1))


def perturb_input(x, t, noise):
    a = ab_t[t].unsqueeze(1)
    return a.sqrt() * x + (1 - a) * noise  # bug
    # fix: return a.sqrt() * x + (1 - a).sqrt() * noise


def moons(n):
    theta = torch.rand(n) * 3.1416
    upper = torch.rand(n) < 0.5
    x = torch.where(upper, theta.cos(), 1 - theta.cos())
    y = torch.where(upper, theta.sin(), 0.5 - theta.sin())
    pts = torch.stack([x, y], dim=1) + 0.05 * torch.randn(n, 2)
    return (pts - torch.tensor([0.5, 0.25])) / 0.7


model = Denoiser()
optim = torch.optim.Adam(model.parameters(), lr=4e-3)

model.train()
for it in range(60):
    x = moons(256)
    noise = torch.randn_like(x)
    t = torch.randint(0, TIMESTEPS, (x.size(0),))
    x_pert = perturb_input(x, t, noise)
    pred_noise = model(x_pert, t)
    loss = F.mse_loss(pred_noise, noise)
    optim.zero_grad()
    loss.backward()
    optim.step()
    if it % 10 == 0 or it == 59:
        print(f"it {it:2d}: {loss.item():.4f}")
