import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

f = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
o = torch.optim.Adam(f.parameters(), lr=1e-2)
x = torch.randn(32, 6)
for i in range(15):
    f.train()
    l = F.mse_loss(f(x), x[:, :1])
    o.zero_grad()
    l.backward()
    o.step()
    f.eval()
    f[2].train()
    with torch.no_grad():
        print(torch.stack([f(x) for _ in range(3)]).std(0).mean().item())
