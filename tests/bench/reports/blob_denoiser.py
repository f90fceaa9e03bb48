import torch
import torch.nn as nn

torch.manual_seed(26)
STEPS = 50
betas = torch.linspace(1e-3, 0.2, STEPS)
abar = torch.cumprod(betas, dim=0)  # bug
# fix: abar = torch.cumprod(1.0 - betas, dim=0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.t_emb = nn.Embedding(STEPS, 32)
        self.inp = nn.Linear(2, 64)
        self.mid = nn.Linear(96, 64)
        self.out = nn.Linear(64, 2)

    def forward(self, x, t):
        h = torch.relu(self.inp(x))
        h = torch.relu(self.mid(torch.cat([h, self.t_emb(t)], -1)))
        return self.out(h)


def data(n):
    centre = torch.tensor([[3.0, 0.0], [-3.0, 0.0]])[torch.randint(0, 2, (n,))]
    return centre + 0.2 * torch.randn(n, 2)


model = Denoiser()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for it in range(80):
    x0 = data(256)
    t = torch.randint(0, STEPS, (256,))
    eps = torch.randn_like(x0)
    a = abar[t].unsqueeze(1)
    xt = a.sqrt() * x0 + (1 - a).sqrt() * eps
    clean = model(xt, t)
    loss = (clean - x0).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 16 == 15:
        print(f"it {it} loss {loss.item():.4f}")
