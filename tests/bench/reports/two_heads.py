import torch
import torch.nn as nn

torch.manual_seed(23)


class SharedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(5, 32), nn.Tanh())
        self.depth = nn.Linear(32, 1)
        self.offset = nn.Linear(32, 2)

    def forward(self, x):
        h = self.trunk(x)
        return self.depth(h), self.offset(h)


class TaskWeights(nn.Module):
    def __init__(self, n_tasks):
        super().__init__()
        self.sigma = nn.Parameter(torch.full((n_tasks,), 0.5))  # bug
        # fix: self.log_sigma = nn.Parameter(torch.full((n_tasks,), 0.5).log())

    def forward(self, losses):
        total = 0.0
        for s, l in zip(self.sigma, losses):  # bug
            total = total + 0.5 * l / s**2 + torch.log(s)  # bug
        # fix: for s, l in zip(self.log_sigma, losses):
        # fix:     total = total + 0.5 * l * torch.exp(-2 * s) + s
        return total


x = torch.randn(256, 5)
depth_y = 0.4 * torch.sin(x[:, :1] + x[:, 1:2])
offset_y = 0.1 * torch.tanh(x[:, 2:4])

net, weights = SharedNet(), TaskWeights(2)
nn.init.zeros_(net.offset.weight)
nn.init.zeros_(net.offset.bias)
opt_net = torch.optim.Adam(net.parameters(), lr=5e-3)
opt_weights = torch.optim.SGD(weights.parameters(), lr=0.15)

for step in range(50):
    idx = torch.randint(0, 256, (64,))
    depth, offset = net(x[idx])
    loss_d = nn.functional.mse_loss(depth, depth_y[idx])
    loss_o = nn.functional.mse_loss(offset, offset_y[idx])
    loss = weights([loss_d, loss_o])
    opt_net.zero_grad()
    opt_weights.zero_grad()
    loss.backward()
    opt_net.step()
    opt_weights.step()
    if step % 10 == 0 or step == 49:
        print(
            f"step {step:2d}  total {loss.item():.4f}  depth {loss_d.item():.4f}  offset {loss_o.item():.5f}"
        )
