import torch
from torch import nn

torch.manual_seed(0)
G, D = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
og = torch.optim.SGD(G.parameters(), lr=0.1)
od = torch.optim.SGD(D.parameters(), lr=0.1)
for i in range(4):
    fake = G(torch.randn(8, 2))
    score = D(fake)
    loss_d = score.mean()
    loss_g = -score.mean()
    od.zero_grad()
    loss_d.backward(retain_graph=True)
    od.step()
    og.zero_grad()
    loss_g.backward()
    og.step()
