import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        self.w = nn.Parameter(torch.randn(8, 1) * 0.3)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        return h @ self.w


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for i in range(30):
    x = torch.randn(32, 4)
    y = x.sum(1, keepdim=True)
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
