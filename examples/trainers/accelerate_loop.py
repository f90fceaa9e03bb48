"""A loop with accelerate, recorded: the loop is yours, so it marks its steps itself.

    pip install accelerate
    python examples/trainers/accelerate_loop.py

``run.steps`` counts updates; the two batches of one lie in the same turn. ``run.paused`` leaves
validation alone.
"""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens

set_seed(0)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
x = torch.randn(128, 10)
y = x[:, :3].pow(2).sum(1, keepdim=True)
loader = DataLoader(TensorDataset(x[:96], y[:96]), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)


def batches(epochs):
    for _ in range(epochs):
        yield from loader


with lens.record("accelerate_loop.lens", force=True) as run:
    run.watch(accelerator.unwrap_model(model))
    supply = batches(epochs=4)
    for step in run.steps(4 * len(loader) // 2):
        for _ in range(2):
            bx, by = next(supply)
            with accelerator.accumulate(model):
                loss = nn.functional.mse_loss(model(bx), by)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
                optimizer.zero_grad()
        if step % 6 == 5:
            with run.paused(), torch.no_grad():
                held_out = nn.functional.mse_loss(model(x[96:]), y[96:]).item()
            print(f"step {step:2d}   held out {held_out:.3f}")

for finding in lens.doctor(run.trace):
    print(finding.code, finding.title)
print(f"{len(run.losses)} steps, loss {run.losses[0]:.3f} to {run.losses[-1]:.3f}")
