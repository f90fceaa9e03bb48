import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
buffer = torch.zeros(8, 2)
for step in range(8):
    batch = torch.rand(8, 2)
    buffer.data[:] = batch
    loss = ((model(buffer) - batch.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    buffer.data.zero_()  # ready for the next batch
