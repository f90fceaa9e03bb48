import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(315)
encoder = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4))
decoder = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 8))
codes = nn.Embedding(16, 4)
parts = nn.ModuleList([encoder, decoder, codes])
optimizer = torch.optim.Adam(parts.parameters(), lr=3e-3)
data = torch.randn(96, 8).cumsum(1)
for epoch in range(5):
    for rows in torch.randperm(96).split(24):
        z = encoder(data[rows])
        nearest = torch.cdist(z, codes.weight).argmin(1)
        quantised = codes(nearest)
        quantised = z + (quantised - z).detach()  # bug
        book = F.mse_loss(quantised, z.detach())
        commit = F.mse_loss(z, quantised.detach())
        # fix: quantised = z + (quantised - z).detach()
        loss = F.mse_loss(decoder(quantised), data[rows]) + book + 0.25 * commit
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
