import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 6)
y = (x.sum(1) > 0).float()
m = nn.Linear(6, 1)
opt = torch.optim.SGD(m.parameters(), lr=0.2)
mean, std = x.mean(), x.std()
for epoch in range(5):
    for i in range(0, 200, 50):
        xb = (x[i : i + 50] - 127.5) / 127.5  # bug
        # fix: xb = (x[i:i + 50] - mean) / std
        loss = nn.functional.binary_cross_entropy_with_logits(m(xb).squeeze(1), y[i : i + 50])
        opt.zero_grad()
        loss.backward()
        opt.step()
