import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 8))
opt = torch.optim.Adam(net.parameters(), lr=0.01)


def augmented(x):
    return x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))


for _ in range(8):
    x = torch.randn(32, 12)
    a, b = (F.normalize(net(augmented(x)), dim=1) for _ in range(2))
    loss = F.cross_entropy(a @ b.t() / 0.2, torch.arange(32))
    opt.zero_grad()
    loss.backward()
    opt.step()
