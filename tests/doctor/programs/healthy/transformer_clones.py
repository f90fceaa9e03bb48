import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0), 2)
out = nn.Linear(8, 3)
o = torch.optim.Adam([*m.parameters(), *out.parameters()], lr=1e-3)
x = torch.randn(10, 7, 8)
y = x[:, 0, :3].argmax(1)
for i in range(8):
    l = F.cross_entropy(out(m(x).mean(1)), y)
    o.zero_grad()
    l.backward()
    o.step()
