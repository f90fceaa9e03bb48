import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
to, back, codes = nn.Linear(12, 4), nn.Linear(4, 12), nn.Embedding(16, 4)
opt = torch.optim.Adam([*to.parameters(), *back.parameters(), *codes.parameters()], lr=0.01)
for _ in range(8):
    x = torch.randn(64, 12)
    z = to(x)
    far = z.pow(2).sum(1, keepdim=True) - 2 * z @ codes.weight.t() + codes.weight.pow(2).sum(1)
    chosen = far.argmin(1)
    q = codes(chosen)
    bind = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
    loss = F.mse_loss(back(z + (q - z).detach()), x) + bind
    opt.zero_grad()
    loss.backward()
    opt.step()
