"""DistributedDataParallel over gloo: two processes that torchrun starts, a sampler for each."""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(9)
x = torch.randn(128, 6)
data = TensorDataset(x, x.prod(1, keepdim=True))
sampler = DistributedSampler(data, seed=9)
loader = DataLoader(data, batch_size=8, sampler=sampler)
model = DistributedDataParallel(nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 1)))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
if rank == 0:
    print("begin")
for epoch in range(5):
    sampler.set_epoch(epoch)
    for bx, by in loader:
        loss = nn.functional.mse_loss(model(bx), by)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    dist.all_reduce(total := loss.detach().clone())
    if rank == 0:
        print(epoch, total.item())
if rank == 0:
    print("end", [p.sum().item() for p in model.parameters()], torch.rand(1).item())
dist.destroy_process_group()
