import torch
from torch import nn

torch.manual_seed(0)
m = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.Adam(m.parameters(), lr=0.02)


def bce(p, t, eps=1e-7):
    return -(t * torch.log(p + eps) + (1 - t) * torch.log(p + eps)).mean()  # bug
    # fix: return -(t * torch.log(p + eps) + (1 - t) * torch.log(1 - p + eps)).mean()


for _ in range(20):
    x = torch.randn(64, 5)
    t = (x[:, :1] > 0).float()
    loss = bce(torch.sigmoid(m(x)), t)
    opt.zero_grad()
    loss.backward()
    opt.step()
