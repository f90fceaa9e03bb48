import torch
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.Linear(4, 3), nn.Linear(3, 4)
params = [*encoder.parameters(), *decoder.parameters()]
optimizer = torch.optim.Adam(params, lr=0.01)
for i in range(10):
    x = torch.randn(8, 4)
    z = encoder(x)
    bits = z + (torch.round(z) - z).detach()
    loss = ((decoder(bits) - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
