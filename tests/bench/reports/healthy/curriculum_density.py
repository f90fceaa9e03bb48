# Healthy: Gaussian negative log-likelihood (goes below 0), the task gets harder in stages so the loss jumps up by design
import torch
from torch import nn

torch.manual_seed(15)


class Heteroscedastic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.mean, self.log_var = nn.Linear(64, 1), nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), self.log_var(h).clamp(-8, 4)


model = Heteroscedastic()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
stages = [(0.5, 0.02), (1.5, 0.05), (3.0, 0.15)]
for stage, (reach, noise) in enumerate(stages):
    for step in range(140):
        x = (torch.rand(96, 1) * 2 - 1) * reach
        y = torch.sin(2 * x) + noise * torch.randn_like(x)
        mean, log_var = model(x)
        loss = 0.5 * ((y - mean).square() * (-log_var).exp() + log_var).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if step % 69 == 0:
            print(f"stage {stage} reach {reach} step {step} nll {loss.item():.4f}")
