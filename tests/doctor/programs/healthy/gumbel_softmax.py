import torch
from torch import nn

torch.manual_seed(0)
enc, dec = nn.Linear(6, 4), nn.Linear(4, 6)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=0.02)
x = torch.eye(6)
for i in range(25):
    z = nn.functional.gumbel_softmax(enc(x), tau=1.0, hard=True)
    loss = nn.functional.cross_entropy(dec(z), x.argmax(1))
    opt.zero_grad()
    loss.backward()
    opt.step()
