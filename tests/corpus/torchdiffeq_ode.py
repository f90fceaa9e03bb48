"""torchdiffeq: a neural ODE fitted to a spiral with the adjoint method."""

import torch
from torch import nn
from torchdiffeq import odeint, odeint_adjoint

torch.manual_seed(19)
true_a = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
times = torch.linspace(0, 5, 60)
with torch.no_grad():
    truth = odeint(lambda _, y: y**3 @ true_a, torch.tensor([[2.0, 0.0]]), times, method="rk4")


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 2))

    def forward(self, _, y):
        return self.net(y**3)


field = Field()
optimizer = torch.optim.RMSprop(field.parameters(), lr=1e-3)
print("begin")
for step in range(12):
    at = torch.randint(0, 50, (8,))
    y0 = truth[at]
    wanted = torch.stack([truth[at + i] for i in range(6)])
    integrate = odeint_adjoint if step % 2 else odeint
    found = integrate(field, y0, times[:6], method="dopri5", rtol=1e-4, atol=1e-4)
    loss = (found - wanted).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
print("end", [p.sum().item() for p in field.parameters()], torch.rand(1).item())
