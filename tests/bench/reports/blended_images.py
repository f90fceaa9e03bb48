import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

np.random.seed(80)
torch.manual_seed(80)


def mix_batch(x, y, alpha=1.0):
    lam = float(np.random.beta(alpha, alpha))
    x.mul_(lam).add_((1 - lam) * x.flip(0))  # bug
    # fix: other = (1 - lam) * x.flip(0)
    # fix: x.mul_(lam).add_(other)
    soft = lam * F.one_hot(y, 4).float() + (1 - lam) * F.one_hot(y.flip(0), 4).float()
    return x, soft, lam


def images(n):
    y = torch.randint(0, 4, (n,))
    x = 1.0 + 0.1 * torch.randn(n, 1, 8, 8)
    for i, c in enumerate(y.tolist()):
        x[i, 0, 4 * (c // 2) : 4 * (c // 2) + 4, 4 * (c % 2) : 4 * (c % 2) + 4] += 2.0
    return x, y


net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 4))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
excess = []
for step in range(80):
    x, y = images(64)
    x, soft, lam = mix_batch(x, y)
    logp = net(x).log_softmax(-1)
    loss = -(soft * logp).sum(-1).mean()
    floor = -(soft * soft.clamp(min=1e-9).log()).sum(-1).mean()
    excess.append((loss - floor).item())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            f"step {step} loss {loss.item():.4f} above floor (last 16) {sum(excess[-16:]) / 16:.4f} lam {lam:.3f}"
        )
