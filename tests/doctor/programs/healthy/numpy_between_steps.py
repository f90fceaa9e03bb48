import torch
from torch import nn

torch.manual_seed(0)
import numpy as np

m = nn.Linear(2, 1)
opt = torch.optim.SGD(m.parameters(), lr=0.05)
buf = torch.zeros(6, 2)
for i in range(8):
    buf.numpy()[:] = np.random.rand(6, 2)
    l = m(buf).pow(2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
    w = m.weight.detach().numpy().copy()
    w -= 1
