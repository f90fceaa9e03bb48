import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

g = nn.Linear(3, 2)
c = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
og = torch.optim.RMSprop(g.parameters(), lr=1e-3)
oc = torch.optim.RMSprop(c.parameters(), lr=1e-3)
for i in range(12):
    for k in range(3):
        real = torch.randn(16, 2) + 2
        with torch.no_grad():
            fake = g(torch.randn(16, 3))
        m = torch.rand(16, 1)
        z = (m * real + (1 - m) * fake).requires_grad_()
        gr = torch.autograd.grad(c(z).sum(), z, create_graph=True)[0]
        loss = c(fake).mean() - c(real).mean() + 10 * ((gr.norm(dim=1) - 1) ** 2).mean()
        oc.zero_grad()
        loss.backward()
        oc.step()
    gl = -c(g(torch.randn(16, 3))).mean()
    og.zero_grad()
    gl.backward()
    og.step()
