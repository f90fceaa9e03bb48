import torch
from torch import nn


class Coder(nn.Module):
    def __init__(self, kl_weight):
        super().__init__()
        self.kl_weight = kl_weight
        self.encoder, self.decoder = nn.Linear(10, 8), nn.Linear(4, 10)

    def loss(self, x):
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        out = self.decoder(mu + torch.randn_like(mu) * (0.5 * logvar).exp())
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
        return ((out - x) ** 2).sum(1).mean() + self.kl_weight * kl


torch.manual_seed(0)
coder = Coder(0.1)
optimizer = torch.optim.Adam(coder.parameters(), lr=0.01)
for _ in range(5):
    loss = coder.loss(torch.randn(32, 10))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
