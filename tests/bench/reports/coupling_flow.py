import math
import torch
import torch.nn as nn

torch.manual_seed(5)


class AffineCoupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 2))

    def inverse(self, x):
        a, b = x[:, :1], x[:, 1:]
        if self.flip:
            a, b = b, a
        log_scale, shift = self.net(a).chunk(2, dim=1)
        b = (b - shift) * torch.exp(-log_scale)
        log_det = log_scale.sum(dim=1)  # bug
        # fix: log_det = -log_scale.sum(dim=1)
        out = torch.cat([b, a], dim=1) if self.flip else torch.cat([a, b], dim=1)
        return out, log_det


class Flow(nn.Module):
    def __init__(self, n_layers=4):
        super().__init__()
        self.layers = nn.ModuleList([AffineCoupling(i % 2 == 1) for i in range(n_layers)])

    def log_prob(self, x):
        total = torch.zeros(x.shape[0])
        for layer in reversed(self.layers):
            x, log_det = layer.inverse(x)
            total = total + log_det
        base = -0.5 * (x**2).sum(dim=1) - math.log(2 * math.pi)
        return base + total


theta = math.pi * torch.rand(512)
data = torch.stack([torch.cos(theta), torch.sin(theta)], dim=1) * 2 + 0.15 * torch.randn(512, 2)

flow = Flow()
optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
for it in range(60):
    batch = data[torch.randint(0, 512, (128,))]
    loss = -flow.log_prob(batch).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 10 == 0 or it == 59:
        print(f"iter {it:2d}  nll {loss.item():.4f}")
