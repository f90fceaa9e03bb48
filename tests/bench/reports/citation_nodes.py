import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(78)
N, FEAT, CLS = 120, 16, 4


def build_graph():
    labels = torch.randint(0, CLS, (N,))
    a = (torch.rand(N, N) < 0.012).float()
    a = torch.triu(a, 1)
    a = a + a.T
    lonely = a.sum(1) == 0
    a[lonely, 0] = 1
    a[0, lonely] = 1
    x = F.one_hot(labels, CLS).float() @ torch.randn(CLS, FEAT) + 0.3 * torch.randn(N, FEAT)
    return a, x, labels


def normalise(a):
    a = a.clone()  # bug
    # fix: a = a + torch.eye(len(a))
    a.diagonal().clamp_(max=1)
    d = a.sum(1).clamp(min=1).pow(-0.5)
    return d[:, None] * a * d[None]


class GraphConvolution(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.lin = nn.Linear(i, o)

    def forward(self, x, a):
        return a @ self.lin(x)


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.g1 = GraphConvolution(FEAT, 32)
        self.g2 = nn.Linear(32, CLS)

    def forward(self, x, a):
        return self.g2(torch.relu(self.g1(x, a)))


adj, feats, labels = build_graph()
a_hat = normalise(adj)
train = torch.arange(N) < 80
net = GCN()
opt = torch.optim.Adam(net.parameters(), lr=1e-2, weight_decay=5e-4)
for step in range(80):
    out = net(feats, a_hat)
    loss = F.cross_entropy(out[train], labels[train])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        acc = (out.argmax(1) == labels)[~train].float().mean().item()
        print(f"step {step} loss {loss.item():.4f} held-out accuracy {acc:.3f}")
