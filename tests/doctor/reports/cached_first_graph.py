import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(191)
NODES = 12


class GCNConv(nn.Module):
    def __init__(self, cin, cout, cached=False):
        super().__init__()
        self.lin = nn.Linear(cin, cout)
        self.cached, self._cache = cached, None

    def norm(self, edge_index, n):
        loops = torch.arange(n).expand(2, n)
        src, dst = torch.cat([edge_index, loops], dim=1)
        degree = torch.zeros(n).index_add_(0, dst, torch.ones(len(dst)))
        return src, dst, (degree[src] * degree[dst]).rsqrt()

    def forward(self, x, edge_index):
        if self.cached:
            if self._cache is None:
                self._cache = self.norm(edge_index, len(x))
            src, dst, weight = self._cache
        else:
            src, dst, weight = self.norm(edge_index, len(x))
        messages = weight.unsqueeze(1) * self.lin(x)[src]
        return torch.zeros(len(x), messages.shape[1]).index_add(0, dst, messages)


class Net(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.conv1 = GCNConv(4, hidden, cached=True)  # bug
        self.conv2 = GCNConv(hidden, hidden, cached=True)  # bug
        # fix: self.conv1 = GCNConv(4, hidden)
        # fix: self.conv2 = GCNConv(hidden, hidden)
        self.out = nn.Linear(2 * hidden, 2)

    def forward(self, x, edge_index):
        h = F.relu(self.conv1(x, edge_index))
        h = F.relu(self.conv2(h, edge_index))
        return self.out(torch.cat([h.mean(0), h.amax(0)]))


def graph():
    """label: whether nodes of the same kind are joined (1) or nodes of different kinds (0)"""
    kind = torch.randint(0, 2, (NODES,))
    label = int(torch.randint(0, 2, (1,)))
    a, b = torch.triu_indices(NODES, NODES, 1)
    same = kind[a] == kind[b]
    keep = (same if label else ~same) & (torch.rand(len(a)) < 0.6)
    edges = torch.stack([a[keep], b[keep]])
    x = torch.cat([F.one_hot(kind, 2).float(), 0.3 * torch.randn(NODES, 2)], dim=1)
    return x, torch.cat([edges, edges.flip(0)], dim=1), label


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(8):
    data = [graph() for _ in range(8)]
    logits = torch.stack([model(x, e) for x, e, _ in data])
    labels = torch.tensor([y for _, _, y in data])
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 16 == 15:
        print(
            f"step {step + 1} loss {loss.item():.4f} acc {(logits.argmax(1) == labels).float().mean().item():.2f}"
        )
