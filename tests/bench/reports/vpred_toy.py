import torch
import torch.nn as nn

torch.manual_seed(36)
T, GAMMA = 40, 5.0
root = torch.linspace(1.0, 0.05, T)
root = (root - root[-1]) / (root[0] - root[-1]) * 0.999
alpha_bar = root**2
snr_table = alpha_bar / (1 - alpha_bar)


class V(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(2 + 8, 64),
            nn.SiLU(),
            nn.Linear(64, 64),
            nn.SiLU(),
            nn.Linear(64, 2),
        )

    def forward(self, x, t):
        a = (t.float() / T)[:, None] * torch.tensor([1.0, 2.0, 4.0, 8.0]) * 3.1416
        return self.f(torch.cat([x, a.sin(), a.cos()], 1))


def weight_for(t):
    snr = snr_table[t]
    return torch.clamp(snr, max=GAMMA) / snr  # bug
    # fix: return torch.clamp(snr, max=GAMMA) / (snr + 1)


net = V()
opt = torch.optim.AdamW(net.parameters(), lr=3e-3)
for step in range(80):
    ang = torch.rand(128) * 6.28
    x0 = torch.stack([ang.cos(), ang.sin()], 1)
    eps = torch.randn_like(x0)
    t = torch.randint(0, T, (128,))
    a, s = alpha_bar[t].sqrt()[:, None], (1 - alpha_bar[t]).sqrt()[:, None]
    target = a * eps - s * x0
    per = (net(a * x0 + s * eps, t) - target).pow(2).mean(1)
    loss = (weight_for(t) * per).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    if step % 16 == 15:
        print(step, loss.item())
