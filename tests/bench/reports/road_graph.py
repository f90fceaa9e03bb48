import torch
import torch.nn as nn


def random_graph(n, p, gen):
    up = (torch.rand(n, n, generator=gen) < p).float().triu(1)
    adj = up + up.T
    adj[5], adj[:, 5] = 0, 0
    adj[17], adj[:, 17] = 0, 0
    return adj


def normalise(adj):
    deg = adj.sum(1)
    inv = deg.pow(-0.5)  # bug
    # fix: inv = deg.pow(-0.5)
    # fix: inv[torch.isinf(inv)] = 0.0
    return inv[:, None] * adj * inv[None]


class Conv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.own, self.other = nn.Linear(i, o), nn.Linear(i, o, bias=False)

    def forward(self, x, a):
        return self.own(x) + a @ self.other(x)


class Traffic(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Conv(6, 24), Conv(24, 1)

    def forward(self, x, adj):
        return self.b(torch.relu(self.a(x, adj)), adj).squeeze(-1)


if __name__ == "__main__":
    gen = torch.Generator().manual_seed(4)
    torch.manual_seed(4)
    adj = random_graph(60, 0.1, gen)
    x = torch.randn(60, 6, generator=gen)
    a = normalise(adj)
    flow = x[:, 0] + (adj @ x)[:, 1] / adj.sum(1).clamp(min=1)
    train = torch.rand(60, generator=gen) < 0.7
    train[5] = False
    model = Traffic()
    opt = torch.optim.Adam(model.parameters(), lr=2e-2)
    for epoch in range(60):
        pred = model(x, a)
        loss = nn.functional.mse_loss(pred[train], flow[train])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if epoch % 12 == 11:
            print(epoch, loss.item())
