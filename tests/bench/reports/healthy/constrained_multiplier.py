import torch
import torch.nn as nn

torch.manual_seed(113)
net = nn.Linear(6, 1)
lam = nn.Parameter(torch.zeros(()))
opt = torch.optim.SGD(net.parameters(), lr=0.05)
opt_lam = torch.optim.SGD([lam], lr=0.2, maximize=True)
w = torch.randn(6, 1) * 2
for step in range(80):
    x = torch.randn(256, 6)
    fit = (net(x) - x @ w).pow(2).mean()
    gap = net.weight.pow(2).sum() - 4.0
    loss = fit + lam * gap
    opt.zero_grad()
    opt_lam.zero_grad()
    loss.backward()
    opt.step()
    opt_lam.step()
    with torch.no_grad():
        lam.clamp_(min=0)
    if step % 16 == 15:
        print(f"step {step} fit {fit.item():.3f} gap {gap.item():.3f} lambda {lam.item():.3f}")
