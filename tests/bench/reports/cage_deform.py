import torch
import torch.nn as nn

torch.manual_seed(53)


class Options:
    weight_reg = 1.0
    steps = 80
    lr = 5e-3


class CageNet(nn.Module):
    """each point is a weighted sum of six cage corners, weights should not be negative"""

    def __init__(self):
        super().__init__()
        ang = torch.arange(6) * 6.2832 / 6
        self.register_buffer("corner", 1.5 * torch.stack([ang.cos(), ang.sin()], 1))
        self.w = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 6))

    def forward(self, p):
        weights = self.w(p)
        moved = weights @ self.corner
        weights = weights.detach()  # bug
        return {"shape": moved, "weights": weights}


class Losses:
    def __init__(self, opt):
        self.opt = opt
        self.log = {}

    def __call__(self, out, goal):
        self.log["SHAPE"] = (out["shape"] - goal).pow(2).mean()
        self.log["WREG"] = self.opt.weight_reg * torch.relu(-out["weights"]).sum(1).mean()
        self.log["SUM"] = 0.1 * (out["weights"].sum(1) - 1).pow(2).mean()
        return sum(self.log.values())


opt = Options()
net, crit = CageNet(), Losses(opt)
optim = torch.optim.Adam(net.parameters(), lr=opt.lr)
for i in range(opt.steps):
    p = torch.rand(128, 2) * 2 - 1
    goal = p + 0.2 * torch.sin(3 * p.flip(1))
    loss = crit(net(p), goal)
    optim.zero_grad()
    loss.backward()
    optim.step()
    if i % 16 == 15:
        print(i, {k: round(v.item(), 4) for k, v in crit.log.items()})
