import torch
import torch.nn as nn
from torch.optim.lr_scheduler import CosineAnnealingLR


class TrainerState:
    def __init__(self, model, lr=0.05, warmup_steps=6, cosine_decay_max_steps=72):
        self.model = model
        self.optim = torch.optim.Adam(model.parameters(), lr=lr)
        self.warmup_steps = warmup_steps
        self.sched = CosineAnnealingLR(self.optim, T_max=warmup_steps)  # bug
        # fix: self.sched = CosineAnnealingLR(self.optim, T_max=cosine_decay_max_steps)
        self.base = lr
        self.n = 0

    def update(self, loss):
        if self.n < self.warmup_steps:
            for g in self.optim.param_groups:
                g["lr"] = self.base * (self.n + 1) / self.warmup_steps
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        self.n += 1
        if self.n == self.warmup_steps:
            for g in self.optim.param_groups:
                g["lr"] = self.base
        elif self.n > self.warmup_steps:
            self.sched.step()


torch.manual_seed(57)
model = nn.Sequential(nn.Linear(8, 64), nn.SiLU(), nn.Linear(64, 8))
state = TrainerState(model)
teacher = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8))
rates = []
for step in range(78):
    x = torch.randn(32, 8)
    with torch.no_grad():
        y = teacher(x)
    loss = (model(x) - y).pow(2).mean()
    rates.append(state.optim.param_groups[0]["lr"])
    state.update(loss)
    if step % 13 == 12:
        print(f"step {step} loss {loss.item():.4f} rate {rates[-1]:.5f}")
