import torch
import torch.nn as nn
import torch.nn.functional as F


class SignLinear(nn.Linear):
    def forward(self, x):
        w = self.weight
        hard = w.sign() * w.abs().mean()
        return F.linear(x, (hard - w).detach() + w, self.bias)


torch.manual_seed(8)
net = nn.Sequential(SignLinear(12, 64), nn.BatchNorm1d(64), nn.Hardtanh(), SignLinear(64, 4))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
proto = torch.randn(4, 12)
for step in range(80):
    y = torch.randint(0, 4, (64,))
    x = proto[y] + 0.8 * torch.randn(64, 12)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for m in net:
            if isinstance(m, SignLinear):
                m.weight.clamp_(-1, 1)
    if step % 20 == 19:
        print(step, loss.item())
