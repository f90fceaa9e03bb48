import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(8, 5)
opt = torch.optim.Adam(net.parameters(), lr=0.02)
for _ in range(30):
    x = torch.randn(40, 8)
    tags = (x[:, :5] > 0).float()
    loss = nn.functional.cross_entropy(net(x), tags)  # bug
    # fix: loss = nn.functional.binary_cross_entropy_with_logits(net(x), tags)
    opt.zero_grad()
    loss.backward()
    opt.step()
