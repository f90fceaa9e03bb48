# a stream of single samples, one by one: nothing to shuffle inside of a batch of one
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(3, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.02)
for i in range(40):
    label = torch.randint(0, 2, (1,))
    sample = torch.randn(1, 3) + label
    loss = nn.functional.cross_entropy(net(sample), label)
    opt.zero_grad()
    loss.backward()
    opt.step()
