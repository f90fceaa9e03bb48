import torch
import torch.nn as nn

torch.manual_seed(18)


class Penalty:
    def __init__(self, module, strength):
        self.module, self.strength = module, strength

    def regularize(self, p):
        return self.strength * torch.sign(p)

    @torch.no_grad()
    def apply(self):
        for name, p in self.module.named_parameters():
            if "weight" in name:
                p.grad = self.regularize(p)  # bug
                # fix: p.grad.add_(self.regularize(p))


class Regressor(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.select = nn.Linear(n_in, 24)
        self.body = nn.Sequential(nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))

    def forward(self, x):
        return self.body(self.select(x))


x = torch.randn(256, 20)
y = torch.sin(1.5 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]

model = Regressor(20)
penalty = Penalty(model.select, strength=1e-3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
mse = nn.MSELoss()

for step in range(60):
    idx = torch.randint(0, 256, (64,))
    loss = mse(model(x[idx]), y[idx])
    optimizer.zero_grad()
    loss.backward()
    penalty.apply()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        used = (model.select.weight.abs() > 0.05).float().mean().item()
        print(f"step {step:2d}  mse {loss.item():.4f}  active inputs {used:.2f}")
