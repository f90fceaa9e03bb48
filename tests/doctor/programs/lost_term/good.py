import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
enc = nn.Linear(8, 4)
dec = nn.Linear(2, 8)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=0.01)
total = 40
for i in range(total):
    x = torch.randn(32, 8)
    mu, logvar = enc(x).chunk(2, 1)
    z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
    beta = i / total
    loss = F.mse_loss(dec(z), x) + beta * kl
    opt.zero_grad()
    loss.backward()
    opt.step()
