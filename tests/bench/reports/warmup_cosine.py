import torch
import torch.nn as nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

torch.manual_seed(24)

WARMUP_STEPS, DECAY_STEPS = 5, 55


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(1, 16, 5, padding=2),
            nn.SiLU(),
            nn.Conv1d(16, 16, 5, padding=2),
            nn.SiLU(),
            nn.Conv1d(16, 1, 5, padding=2),
        )

    def forward(self, x):
        return self.net(x)


def build_schedule(optimizer, warmup_steps, decay_steps):
    warmup = LinearLR(optimizer, start_factor=0.1, total_iters=warmup_steps)
    cosine = CosineAnnealingLR(optimizer, T_max=warmup_steps)  # bug
    # fix: cosine = CosineAnnealingLR(optimizer, T_max=decay_steps)
    return SequentialLR(optimizer, [warmup, cosine], milestones=[warmup_steps])


grid = torch.linspace(0, 6.28, 32)
phase = 6.28 * torch.rand(200, 1)
freq = 1.0 + 2.0 * torch.rand(200, 1)
clean = torch.sin(freq * grid + phase).unsqueeze(1)

model = Denoiser()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
schedule = build_schedule(optimizer, WARMUP_STEPS, DECAY_STEPS)

for step in range(WARMUP_STEPS + DECAY_STEPS):
    target = clean[torch.randint(0, 200, (32,))]
    noisy = target + 0.4 * torch.randn_like(target)
    loss = nn.functional.mse_loss(model(noisy), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 6 == 0 or step == 59:
        lr = optimizer.param_groups[0]["lr"]
        print(f"step {step:2d}  loss {loss.item():.4f}  lr {lr:.5f}")
