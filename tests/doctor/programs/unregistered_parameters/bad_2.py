import torch
from torch import nn

torch.manual_seed(0)


class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = {}
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
            self.layers[f"layer{i}"] = nn.Linear(a, b)
        self.out = nn.Linear(sizes[-1], 1)

    def forward(self, x):
        for layer in self.layers.values():
            x = torch.relu(layer(x))
        return self.out(x)


net = MLP([3, 8, 8])
opt = torch.optim.SGD(net.parameters(), lr=0.05)
x, y = torch.randn(32, 3), torch.randn(32, 1)
for i in range(20):
    opt.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
