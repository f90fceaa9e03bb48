import torch
import torch.nn as nn


class Equilibrium(nn.Module):
    """iterate without a graph, then one step with it"""

    def __init__(self, d_in=6, d=24):
        super().__init__()
        self.inj, self.rec, self.out = (
            nn.Linear(d_in, d),
            nn.Linear(d, d, bias=False),
            nn.Linear(d, 1),
        )
        with torch.no_grad():
            self.rec.weight.mul_(0.3)

    def cell(self, z, x):
        return torch.tanh(self.rec(z) + self.inj(x))

    def forward(self, x):
        z = x.new_zeros(len(x), self.rec.in_features)
        with torch.no_grad():
            for _ in range(15):
                z = self.cell(z, x)
        z = self.cell(z, x)
        return self.out(z).squeeze(1)


torch.manual_seed(3)
net = Equilibrium()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
w = torch.randn(6)
for step in range(80):
    x = torch.randn(64, 6)
    loss = (net(x) - torch.sin(x @ w)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 19:
        print(step, loss.item())
