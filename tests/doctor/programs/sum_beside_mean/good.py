import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.Linear(10, 8), nn.Linear(4, 10)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.01)
for _ in range(6):
    x = torch.randn(32, 10)
    mu, logvar = encoder(x).chunk(2, dim=1)
    out = decoder(mu + torch.randn_like(mu) * (0.5 * logvar).exp())
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
    loss = F.mse_loss(out, x) + kl
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
