import torch
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.Linear(10, 8), nn.Linear(4, 10)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
x = torch.randn(48, 10)

for step in range(8):
    mean, logvar = encoder(x).chunk(2, 1)
    noise = torch.randn(4)
    seen = decoder(mean + torch.exp(0.5 * logvar) * noise)
    divergence = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1).mean()
    loss = (seen - x).pow(2).sum(1).mean() + divergence
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
