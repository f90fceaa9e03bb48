import torch
from torch import nn

torch.manual_seed(0)
G = nn.Linear(2, 1)
D = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
opt_g = torch.optim.RMSprop(G.parameters(), lr=5e-4)
opt_d = torch.optim.RMSprop(D.parameters(), lr=5e-4)
for step in range(8):
    for _ in range(2):
        D.zero_grad()
        D(torch.randn(8, 1) + 2).mean().backward()
        (-D(G(torch.randn(8, 2)).detach()).mean()).backward()
        opt_d.step()
        for p in D.parameters():
            p.data.clamp_(-0.1, 0.1)
    G.zero_grad()
    D(G(torch.randn(8, 2))).mean().backward()
    opt_g.step()
