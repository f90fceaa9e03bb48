import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train = DataLoader(
    TensorDataset(torch.randn(60, 4), torch.randint(0, 2, (60,))), batch_size=12, shuffle=True
)
valid = DataLoader(TensorDataset(torch.randn(24, 4), torch.randint(0, 2, (24,))), batch_size=12)
net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.05)


@torch.no_grad()
def validate():
    right = 0
    for x, y in valid:
        right += (net(x).argmax(1) == y).sum().item()
    return right / 24


for epoch in range(6):
    for x, y in train:
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
    print(epoch, validate())
