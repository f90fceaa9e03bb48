import torch
from torch import nn

torch.manual_seed(0)
table = nn.Embedding(20, 4, sparse=True)
optimizer = torch.optim.SparseAdam(list(table.parameters()), lr=0.01)
for i in range(8):
    words = torch.randint(0, 20, (5,))
    loss = (table(words).sum(1) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
