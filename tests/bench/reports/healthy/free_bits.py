import torch
import torch.nn as nn

torch.manual_seed(1)
FLOOR = 0.5
mix = torch.randn(2, 12)


class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.d = nn.Linear(12, 8), nn.Linear(4, 12)

    def forward(self, x):
        mu, logvar = self.e(x).chunk(2, 1)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean(0)
        return self.d(z), kl


m = Coder()
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
for step in range(80):
    x = torch.randn(128, 2) @ mix
    r, kl = m(x)
    # every latent may use FLOOR nats for free
    loss = (r - x).pow(2).sum(1).mean() + torch.clamp(kl, min=FLOOR).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(step, round(loss.item(), 3), [round(v, 2) for v in kl.tolist()])
