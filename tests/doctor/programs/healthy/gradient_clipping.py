import torch
from torch import nn

torch.manual_seed(0)
model = nn.GRU(3, 5, batch_first=True)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for i in range(10):
    x = torch.randn(4, 7, 3)
    optimizer.zero_grad()
    out, _ = model(x)
    loss = (out[:, -1] - 0.3).pow(2).sum()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
