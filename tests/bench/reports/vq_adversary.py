import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(76)
G = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
optimizer_g = torch.optim.Adam(G.parameters(), lr=3e-3, betas=(0.5, 0.99))
optimizer_d = torch.optim.Adam(D.parameters(), lr=3e-3, betas=(0.5, 0.99))


def bce(score, value):
    return F.binary_cross_entropy_with_logits(score, torch.full_like(score, value))


for it in range(80):
    real = torch.randn(128, 2) * 0.5 + torch.tensor([2.0, 1.0])
    fake = G(torch.randn(128, 4))

    optimizer_g.zero_grad(set_to_none=True)
    loss_g = bce(D(fake), 1.0)
    loss_g.backward()
    optimizer_g.step()

    # fix: optimizer_d.zero_grad(set_to_none=True)
    scale = 0.5
    loss_d = scale * (bce(D(real), 1.0) + bce(D(fake.detach()), 0.0))
    loss_d.backward()
    optimizer_d.step()
    if it % 16 == 15:
        gn = sum(p.grad.pow(2).sum() for p in D.parameters()).sqrt().item()
        print(
            f"it {it} d {loss_d.item():.4f} g {loss_g.item():.4f} D grad norm {gn:.3f} fake mean {[round(v, 2) for v in fake.mean(0).tolist()]}"
        )
