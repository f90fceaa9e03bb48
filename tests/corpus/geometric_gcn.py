"""torch_geometric: a graph convolutional network on a made graph, masks, dropout, two rates."""

import torch
from torch.nn import functional as F
from torch_geometric.data import Data
from torch_geometric.nn import GATConv, GCNConv

torch.manual_seed(18)
n = 60
labels = torch.arange(n) % 3
same = labels[:, None] == labels
edges = (torch.rand(n, n) < torch.where(same, 0.2, 0.02)).nonzero().T
data = Data(x=torch.randn(n, 12) + labels[:, None], edge_index=edges, y=labels)
known = torch.rand(n) < 0.4


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = GCNConv(12, 16), GATConv(16, 3, heads=2, concat=False)

    def forward(self, data):
        h = F.dropout(self.first(data.x, data.edge_index).relu(), 0.5, self.training)
        return self.second(h, data.edge_index)


net = Net()
optimizer = torch.optim.Adam(
    [
        {"params": net.first.parameters(), "weight_decay": 5e-4},
        {"params": net.second.parameters(), "lr": 5e-3},
    ],
    lr=1e-2,
)
print("begin")
for epoch in range(30):
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(data)[known], data.y[known])
    loss.backward()
    optimizer.step()
    net.eval()
    with torch.no_grad():
        right = (net(data).argmax(1) == data.y)[~known].float().mean()
    print(epoch, loss.item(), right.item())
print("end", [p.sum().item() for p in net.parameters()], torch.rand(1).item())
