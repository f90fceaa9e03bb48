import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
features = torch.randn(128, 5)
labels = (features.sum(1) > 0).long()
order = torch.randperm(len(features))
features = features[order]  # bug
# fix: features, labels = features[order], labels[order]
loader = DataLoader(TensorDataset(features, labels), batch_size=32)
net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.3)
for epoch in range(8):
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
