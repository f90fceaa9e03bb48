import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
net = nn.Linear(8, 5)
opt = torch.optim.Adam(net.parameters(), lr=0.02)
for _ in range(30):
    x = torch.randn(40, 8)
    y = x[:, :5].argmax(1)
    soft = F.one_hot(y, 5).float() * 0.8 + 0.2 / 5
    loss = F.cross_entropy(net(x), soft, label_smoothing=0.2)  # bug
    # fix: loss = F.cross_entropy(net(x), soft)
    opt.zero_grad()
    loss.backward()
    opt.step()
