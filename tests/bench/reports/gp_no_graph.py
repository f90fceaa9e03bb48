import torch
import torch.nn as nn

torch.manual_seed(14)

LATENT, DATA, LAMBDA = 6, 5, 10.0


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(DATA, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
        )

    def forward(self, x):
        return self.body(x).squeeze(-1)


def table_rows(n):
    a = torch.randn(n, 2)
    return torch.cat([a, a.sum(1, keepdim=True), 0.5 * a[:, :1] - 1, torch.rand(n, 1)], dim=1)


def gradient_penalty(critic, real, fake):
    eps = torch.rand(real.size(0), 1)
    mixed = (eps * real + (1 - eps) * fake).requires_grad_(True)
    scores = critic(mixed)
    grads = torch.autograd.grad(
        outputs=scores,
        inputs=mixed,
        grad_outputs=torch.ones_like(scores),
        retain_graph=True,  # bug
        # fix: create_graph=True,
    )[0]
    return ((grads.norm(2, dim=1) - 1) ** 2).mean()


generator = nn.Sequential(nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, DATA))
critic = Critic()
opt_c = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))
opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))

for it in range(50):
    real = table_rows(128)
    with torch.no_grad():
        fake = generator(torch.randn(128, LATENT))
    gp = gradient_penalty(critic, real, fake)
    wdist = critic(real).mean() - critic(fake).mean()
    loss_c = -wdist + LAMBDA * gp
    opt_c.zero_grad()
    loss_c.backward()
    opt_c.step()

    if it % 5 == 4:
        loss_g = -critic(generator(torch.randn(128, LATENT))).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
    if it % 10 == 9:
        print(
            f"it {it + 1} W {wdist.item():.3f} gp {gp.item():.3f} critic loss {loss_c.item():.3f}"
        )
