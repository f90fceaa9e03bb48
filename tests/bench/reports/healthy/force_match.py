import torch
import torch.nn as nn

torch.manual_seed(9)
energy = nn.Sequential(
    nn.Linear(2, 48), nn.Softplus(), nn.Linear(48, 48), nn.Softplus(), nn.Linear(48, 1, bias=False)
)
opt = torch.optim.Adam(energy.parameters(), lr=1.5e-2)


def true_force(p):
    return -torch.stack([2 * p[:, 0] + p[:, 1], p[:, 0] + p[:, 1]], 1)


for step in range(80):
    p = (torch.rand(128, 2) * 2 - 1).requires_grad_(True)
    e = energy(p).sum()
    force = -torch.autograd.grad(e, p, create_graph=True)[0]
    loss = (force - true_force(p.detach())).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 19:
        print(step, loss.item())
