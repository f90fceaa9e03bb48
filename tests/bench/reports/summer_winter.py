import itertools
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(46)
gen = lambda: nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
disc = lambda: nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
gen_a2b, gen_b2a, dis_a, dis_b = gen(), gen(), disc(), disc()
og = torch.optim.Adam(
    itertools.chain(gen_a2b.parameters(), gen_b2a.parameters()),
    lr=5e-3,
    betas=(0.5, 0.9),
)
od = torch.optim.Adam(
    itertools.chain(dis_a.parameters(), dis_b.parameters()), lr=5e-3, betas=(0.5, 0.9)
)
mean_b = torch.tensor([2.0, -2.0])


def real(n):
    return 0.4 * torch.randn(n, 2), mean_b + 0.4 * torch.randn(n, 2)


def lsgan(out, value):
    return (out - value).pow(2).mean()


for step in range(80):
    a, b = real(128)
    fake_b, fake_a = gen_a2b(a), gen_b2a(b)
    d_loss = (
        lsgan(dis_a(a), 1)
        + lsgan(dis_b(b), 1)
        + lsgan(dis_a(fake_a.detach()), 0)
        + lsgan(dis_b(fake_b.detach()), 0)
    ) / 2
    od.zero_grad()
    d_loss.backward()
    od.step()

    adv = lsgan(dis_b(fake_b), 1) + lsgan(dis_a(fake_a), 1)
    cycle = F.l1_loss(gen_b2a(fake_b), a) + F.l1_loss(gen_a2b(fake_a), b)
    identity = F.l1_loss(gen_a2b(a), a) + F.l1_loss(gen_b2a(b), b)  # bug
    # fix: identity = F.l1_loss(gen_a2b(b), b) + F.l1_loss(gen_b2a(a), a)
    g_loss = adv + 2.0 * cycle + 1.0 * identity
    og.zero_grad()
    g_loss.backward()
    og.step()
    if step % 16 == 15:
        print(
            step,
            f"d {d_loss.item():.3f} adv {adv.item():.3f} cyc {cycle.item():.3f} idt {identity.item():.3f}",
            "centre of a2b",
            [round(v, 2) for v in fake_b.mean(0).tolist()],
            "wanted",
            mean_b.tolist(),
        )
