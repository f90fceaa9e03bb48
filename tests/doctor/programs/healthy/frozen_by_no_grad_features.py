# a pretrained body in eval mode under no_grad; the optimizer has the head alone
import torch
from torch import nn

torch.manual_seed(0)
body = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU()).eval()
head = nn.Linear(16, 3)
opt = torch.optim.SGD(head.parameters(), lr=0.1)
x, y = torch.randn(32, 6), torch.randint(0, 3, (32,))
for _ in range(12):
    with torch.no_grad():
        feats = body(x)
    loss = nn.functional.cross_entropy(head(feats), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
