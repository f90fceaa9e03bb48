import torch
from torch import nn


class Reservoir(nn.Module):
    def __init__(self, size=80):
        super().__init__()
        w = torch.randn(size, size)
        self.w = nn.Parameter(0.9 * w / torch.linalg.eigvals(w).abs().max(), requires_grad=False)
        self.u = nn.Parameter(torch.randn(size) * 0.5, requires_grad=False)
        self.read = nn.Linear(size, 1)

    def states(self, x):
        s, out = x.new_zeros(x.shape[0], self.w.shape[0]), []
        with torch.no_grad():
            for t in range(x.shape[1]):
                s = torch.tanh(s @ self.w + x[:, t, None] * self.u)
                out.append(s)
        return torch.stack(out, 1)

    def forward(self, x):
        return self.read(self.states(x)).squeeze(-1)


torch.manual_seed(10)
net = Reservoir()
opt = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=2e-2)
for step in range(70):
    x = torch.rand(16, 30) - 0.5
    y = x.roll(2, 1)
    loss = (net(x)[:, 5:] - y[:, 5:]).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 14 == 13:
        print(step, loss.item())
