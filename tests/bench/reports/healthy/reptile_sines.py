import copy
import torch
import torch.nn as nn

torch.manual_seed(122)
meta = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))


def task():
    shift = 0.6 * torch.rand(1)
    x = torch.rand(32, 1) * 6 - 3
    return x, torch.sin(x + shift)


log = []
for outer in range(60):
    fast = copy.deepcopy(meta)
    inner = torch.optim.SGD(fast.parameters(), lr=0.05)
    x, y = task()
    for k in range(6):
        loss = (fast(x) - y).pow(2).mean()
        if k == 0:
            log.append(loss.item())
        inner.zero_grad()
        loss.backward()
        inner.step()
    with torch.no_grad():
        for p, q in zip(meta.parameters(), fast.parameters()):
            p.lerp_(q, 0.5)
    if outer % 12 == 11:
        print(f"outer {outer} before {sum(log[-12:]) / 12:.4f} after {loss.item():.4f}")
