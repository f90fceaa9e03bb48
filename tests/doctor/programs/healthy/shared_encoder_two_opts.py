import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

enc = nn.Linear(6, 8)
h1 = nn.Linear(8, 1)
h2 = nn.Linear(8, 1)
oe = torch.optim.SGD(enc.parameters(), lr=0.01)
o1 = torch.optim.SGD(h1.parameters(), lr=0.01)
o2 = torch.optim.SGD(h2.parameters(), lr=0.01)
x = torch.randn(32, 6)
for i in range(20):
    for o in (oe, o1, o2):
        o.zero_grad()
    z = torch.tanh(enc(x))
    a = F.mse_loss(h1(z), x[:, :1])
    b = F.mse_loss(h2(z), x[:, 1:2])
    a.backward(retain_graph=True)
    b.backward()
    for o in (oe, o1, o2):
        o.step()
