import torch
from torch import nn

torch.manual_seed(0)
data = torch.randn(128, 4) * 7 + 30
labels = (data.sum(1) > 120).long()
mean, spread = data.mean(0), data.std(0)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 2)

    def forward(self, x):
        return self.body((x - mean) / spread)


def batches():
    for rows in torch.randperm(128).split(32):
        yield (data[rows] - mean) / spread, labels[rows]  # bug
        # fix: yield data[rows], labels[rows]


net = Scaled()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(6):
    for x, y in batches():
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
