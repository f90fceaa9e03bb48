import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(29)


class WeightEMA:
    def __init__(self, model, ema_model, decay=0.9):
        self.model = model
        self.ema_model = ema_model
        self.decay = decay

    @torch.no_grad()
    def step(self):
        for param, ema_param in zip(self.model.parameters(), self.ema_model.parameters()):
            ema_param = self.decay * ema_param + (1.0 - self.decay) * param  # bug
            # fix: ema_param.copy_(self.decay * ema_param + (1.0 - self.decay) * param)


def spirals(n):
    y = torch.randint(0, 2, (n,))
    r = torch.rand(n) * 2 + 0.3
    a = 1.2 * r + 3.1416 * y
    x = torch.stack([r * a.cos(), r * a.sin()], dim=1)
    return x + 0.08 * torch.randn(n, 2), y


model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
ema_model = copy.deepcopy(model)
for p in ema_model.parameters():
    p.requires_grad_(False)
ema = WeightEMA(model, ema_model)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
x_val, y_val = spirals(400)

for step in range(60):
    x, y = spirals(128)
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    ema.step()
    if step % 10 == 9:
        with torch.no_grad():
            val = F.cross_entropy(ema_model(x_val), y_val)
        print(f"step {step + 1} train {loss.item():.4f} ema val {val.item():.4f}")
