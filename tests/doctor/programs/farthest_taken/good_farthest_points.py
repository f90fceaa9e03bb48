"""Points that are chosen because they are far apart, and codes that are chosen as near ones."""

import torch
from torch import nn

torch.manual_seed(0)
net, codes = nn.Linear(3, 2), nn.Embedding(8, 3)
optimizer = torch.optim.Adam([*net.parameters(), *codes.parameters()], lr=0.01)
for _ in range(5):
    cloud = torch.randn(40, 3)
    chosen = [0]
    while len(chosen) < 12:
        apart = torch.cdist(cloud, cloud[chosen]).min(1)[0]
        chosen.append(int(apart.argmax()))
    points = cloud[torch.tensor(chosen)]
    near = codes((points[:, None] - codes.weight[None]).pow(2).sum(-1).argmin(1))
    loss = net(points).pow(2).mean() + ((near - points) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
