import math

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net, weight = nn.Linear(6, 8), nn.Parameter(torch.randn(5, 8))
optimizer = torch.optim.Adam([*net.parameters(), weight], lr=0.01)
for _ in range(6):
    x, label = torch.randn(32, 6), torch.randint(0, 5, (32,))
    cosine = F.normalize(net(x), dim=1) @ F.normalize(weight, dim=1).T
    sine = (1 - cosine**2).clamp(min=1e-6).sqrt()
    further = cosine * math.cos(0.3) - sine * math.sin(0.3)
    scores = 16 * torch.where(F.one_hot(label, 5).bool(), further, cosine)
    loss = F.cross_entropy(scores, label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
