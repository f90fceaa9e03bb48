import numpy as np
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.b = nn.Linear(4, 1)

    def forward(self, x):
        h = torch.sigmoid(self.a(x))
        out = self.b(h)
        shown = h.detach().numpy()
        shown -= shown.mean()  # for the plot
        return out


torch.manual_seed(0)
net = Net()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
x = torch.randn(12, 3)
y = x.prod(1, keepdim=True)
for epoch in range(6):
    opt.zero_grad()
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    opt.step()
