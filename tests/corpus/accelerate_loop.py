"""accelerate: its prepared loop with accumulation, clipping and a prepared scheduler."""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

set_seed(13)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
x = torch.randn(128, 10)
y = x[:, :3].pow(2).sum(1, keepdim=True)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, total_steps=64)
model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
print("begin")
for epoch in range(8):
    for bx, by in loader:
        with accelerator.accumulate(model):
            loss = nn.functional.mse_loss(model(bx), by)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    print(epoch, accelerator.gather(loss.detach()).mean().item(), scheduler.get_last_lr())
accelerator.save_state("state")
print("end", [p.sum().item() for p in model.parameters()], torch.rand(1).item())
