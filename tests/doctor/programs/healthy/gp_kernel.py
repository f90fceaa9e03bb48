import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

x = torch.linspace(0, 1, 12).unsqueeze(1)
y = torch.sin(6 * x).squeeze(1)
ls = nn.Parameter(torch.tensor(-1.0))
nz = nn.Parameter(torch.tensor(-2.0))
o = torch.optim.Adam([ls, nz], lr=0.1)
for i in range(15):
    k = torch.exp(-0.5 * (x - x.T) ** 2 / ls.exp() ** 2) + nz.exp() * torch.eye(12)
    c = torch.linalg.cholesky(k)
    a = torch.cholesky_solve(y.unsqueeze(1), c)
    l = 0.5 * (y @ a.squeeze(1)) + c.diagonal().log().sum()
    o.zero_grad()
    l.backward()
    o.step()
