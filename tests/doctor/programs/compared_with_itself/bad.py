import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
enc = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
opt = torch.optim.Adam(enc.parameters(), lr=0.003)
for i in range(40):
    x = torch.randn(16, 8)
    v1 = x + 0.1 * torch.randn_like(x)
    v2 = x + 0.1 * torch.randn_like(x)
    z = F.normalize(torch.cat([enc(v1), enc(v2)]), dim=1)
    sim = z @ z.T / 0.1
    labels = torch.cat([torch.arange(16) + 16, torch.arange(16)])
    loss = F.cross_entropy(sim, labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
