import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(30)


class Residual(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.a = nn.Linear(dim, 2 * dim)
        self.b = nn.Linear(2 * dim, dim)

    def forward(self, x):
        return x + self.b(F.gelu(self.a(self.norm(x))))


class ResidualStack(nn.Module):
    def __init__(self, dim, num_layers):
        super().__init__()
        self.layers = nn.ModuleList([Residual(dim)] * num_layers)  # bug
        # fix: self.layers = nn.ModuleList([Residual(dim) for _ in range(num_layers)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(8, 32)
        self.stack = ResidualStack(32, 4)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        return self.out(self.stack(self.inp(x))).squeeze(-1)


def target(x):
    return torch.sin(2 * x[:, 0]) * x[:, 1] + x[:, 2] * x[:, 3]


net = Net()
optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-4)
for step in range(60):
    x = torch.randn(256, 8)
    loss = F.mse_loss(net(x), target(x))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} mse {loss.item():.4f}")
