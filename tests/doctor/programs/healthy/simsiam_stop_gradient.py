# one side of each pair is detached on purpose; the encoder is trained through the other
import torch
from torch import nn

torch.manual_seed(0)
enc = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
pred = nn.Linear(4, 4)
opt = torch.optim.SGD([*enc.parameters(), *pred.parameters()], lr=0.05)
for _ in range(15):
    x = torch.randn(20, 6)
    z1, z2 = enc(x + 0.1 * torch.randn_like(x)), enc(x + 0.1 * torch.randn_like(x))
    loss = -nn.functional.cosine_similarity(pred(z1), z2.detach()).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
