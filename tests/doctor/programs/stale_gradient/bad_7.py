# two optimizers, one of them never cleared
import torch
from torch import nn

torch.manual_seed(1)
encoder = nn.Linear(10, 3)
decoder = nn.Linear(3, 10)
opt_enc = torch.optim.Adam(encoder.parameters(), lr=1e-2)
opt_dec = torch.optim.Adam(decoder.parameters(), lr=1e-2)
data = torch.randn(50, 10)
for i in range(30):
    opt_enc.zero_grad()
    rec = decoder(encoder(data))
    loss = ((rec - data) ** 2).mean()
    loss.backward()
    opt_enc.step()
    opt_dec.step()
