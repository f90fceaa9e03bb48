import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

enc = nn.Linear(6, 3)
dec = nn.Linear(3, 6)
oe = torch.optim.Adam(enc.parameters(), lr=0.01)
od = torch.optim.Adam(dec.parameters(), lr=0.01)
x = torch.randn(32, 6)
for i in range(20):
    oe.zero_grad()
    od.zero_grad()
    (1e-2 * enc(x).pow(2).mean()).backward()
    F.mse_loss(dec(enc(x)), x).backward()
    oe.step()
    od.step()
