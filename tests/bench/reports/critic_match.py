import torch
import torch.nn as nn

torch.manual_seed(33)


def mlp(i, o, *tail):
    return nn.Sequential(nn.Linear(i, 64), nn.ReLU(), nn.Linear(64, o), *tail)


gen = mlp(4, 2)
critic = mlp(2, 1, nn.Sigmoid())  # bug
# fix: critic = mlp(2, 1)
g_opt = torch.optim.Adam(gen.parameters(), lr=5e-3, betas=(0.5, 0.9))
c_opt = torch.optim.Adam(critic.parameters(), lr=5e-3, betas=(0.5, 0.9))


def real(n):
    return torch.randn(n, 2) * 0.3 + torch.tensor([4.0, -4.0])


def penalty(r, f):
    u = torch.rand(len(r), 1)
    x = (u * r + (1 - u) * f).requires_grad_(True)
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (g.norm(dim=1) - 1).pow(2).mean()


for it in range(60):
    for _ in range(3):
        r, f = real(64), gen(torch.randn(64, 4)).detach()
        c_loss = critic(f).mean() - critic(r).mean() + 1.0 * penalty(r, f)
        c_opt.zero_grad()
        c_loss.backward()
        c_opt.step()
    f = gen(torch.randn(64, 4))
    g_loss = -critic(f).mean()
    g_opt.zero_grad()
    g_loss.backward()
    gnorm = sum(p.grad.norm() ** 2 for p in gen.parameters()).sqrt().item()
    g_opt.step()
    if it % 12 == 11:
        print(
            f"it {it} critic {c_loss.item():.3f} gen {g_loss.item():.3f} gnorm {gnorm:.4f} fake mean {f.mean(0).tolist()}"
        )
