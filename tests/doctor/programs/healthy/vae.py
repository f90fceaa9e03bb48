import torch
from torch import nn

torch.manual_seed(0)
enc, dec = nn.Linear(4, 4), nn.Linear(2, 4)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=0.01)
for i in range(10):
    x = torch.rand(6, 4)
    mean, log_var = enc(x).chunk(2, dim=1)
    z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
    recon = nn.functional.binary_cross_entropy(torch.sigmoid(dec(z)), x, reduction="sum")
    kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()
    loss = recon + kl
    opt.zero_grad()
    loss.backward()
    opt.step()
