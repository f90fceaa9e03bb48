"""Two processes train one model together: each has its half of the batch, gradients are averaged.

    torchrun --nproc-per-node 2 --no-python autograd-lens run ddp.py

Each process leaves a recording of its own.
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
x = torch.randn(64, 2)
y = x @ torch.tensor([[2.0], [-1.0]]) + 3
mine = slice(rank, None, 2)
model = DistributedDataParallel(nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(20):
    loss = nn.functional.mse_loss(model(x[mine]), y[mine])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
if rank == 0:
    print(f"loss of the first half {loss.item():.4f}")
dist.destroy_process_group()
