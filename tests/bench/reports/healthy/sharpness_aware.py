import torch
import torch.nn as nn

torch.manual_seed(108)
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
base = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
RHO = 0.05
x_all = torch.randn(300, 10)
y_all = ((x_all[:, 0] + x_all[:, 1] * x_all[:, 2]) > 0).float()
for step in range(60):
    idx = torch.randint(0, 300, (64,))
    closure = lambda: nn.functional.binary_cross_entropy_with_logits(
        net(x_all[idx]).squeeze(1), y_all[idx]
    )
    first = closure()
    base.zero_grad()
    first.backward()
    norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
    with torch.no_grad():
        bumps = [RHO * p.grad / (norm + 1e-12) for p in net.parameters()]
        for p, e in zip(net.parameters(), bumps):
            p.add_(e)
    base.zero_grad()
    closure().backward()
    with torch.no_grad():
        for p, e in zip(net.parameters(), bumps):
            p.sub_(e)
    base.step()
    if step % 12 == 11:
        print(f"step {step} loss {first.item():.4f}")
