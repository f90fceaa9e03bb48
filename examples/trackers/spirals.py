"""A recorded run where people look at their runs: TensorBoard and Perfetto.

    python examples/trackers/spirals.py
    autograd-lens export spirals.lens --to perfetto      # spirals.perfetto.json
    autograd-lens export spirals.lens --to tensorboard   # runs/spirals

Open the first file at https://ui.perfetto.dev, which reads it in the browser, and the folder with
``tensorboard --logdir runs``. ``--to mlflow``, ``wandb`` and ``trackio`` send the same numbers.
With ``--follow`` a tracker is sent the steps of a run that is still being recorded.
"""

import torch
from torch import nn

import autograd_lens as lens

torch.manual_seed(0)
radius = torch.linspace(0.1, 1.0, 150)
arms = torch.arange(3).repeat_interleave(150)
angle = 4.0 * radius.repeat(3) + arms * 2 * torch.pi / 3 + 0.1 * torch.randn(450)
positions = radius.repeat(3)[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)

model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-2, total_steps=120)

with lens.record("spirals.lens", force=True) as run:
    for _ in run.steps(120, progress=False):
        loss = nn.functional.cross_entropy(model(positions), arms)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

print(f"loss {run.losses[0]:.3f} to {run.losses[-1]:.3f}")
