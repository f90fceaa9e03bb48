import torch
import torch.nn as nn

torch.manual_seed(83)
NODES = 6


def ring_edges():
    a = torch.arange(NODES)
    return torch.stack([torch.cat([a, (a + 1) % NODES]), torch.cat([(a + 1) % NODES, a])])


def batch_edges(n_graphs):
    e = ring_edges()
    return torch.cat([e for g in range(n_graphs)], dim=1)  # bug
    # fix: return torch.cat([e + g * NODES for g in range(n_graphs)], dim=1)


class MessageLayer(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.own, self.msg = nn.Linear(i, o), nn.Linear(i, o)

    def forward(self, x, edges):
        src, dst = edges
        agg = torch.zeros_like(x).index_add(0, dst, x[src])
        deg = torch.zeros(len(x)).index_add(0, dst, torch.ones(len(dst))).clamp(min=1)
        return torch.relu(self.own(x) + self.msg(agg / deg[:, None]))


class GraphNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = MessageLayer(2, 32), MessageLayer(32, 32)
        self.out = nn.Linear(32, 1)

    def forward(self, x, edges):
        return self.out(self.l2(self.l1(x, edges), edges)).squeeze(-1)


net = GraphNet()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(80):
    x = torch.randn(24, NODES, 2)
    y = x[..., 0].roll(1, 1) + x[..., 0].roll(-1, 1)
    pred = net(x.view(-1, 2), batch_edges(24)).view(24, NODES)
    err = (pred - y).pow(2)
    loss = err.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(f"step {step} loss {loss.item():.4f}")
