import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
enc = nn.Linear(4, 8)
dec = nn.Linear(8, 4)
codes = nn.Parameter(torch.randn(16, 8))
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters(), codes], lr=0.01)
for i in range(40):
    x = torch.randn(32, 4)
    z = enc(x)
    q = codes[torch.cdist(z, codes).argmin(1)]
    zq = z + (q - z).detach()
    loss = F.mse_loss(dec(zq), x) + F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
    opt.zero_grad()
    loss.backward()
    opt.step()
