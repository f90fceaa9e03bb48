import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(6, 3)
opt = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)
x = torch.randn(192, 6)
y = x[:, :3].argmax(1)
for epoch in range(6):
    total = 0.0
    for i in range(0, 192, 32):
        loss = nn.functional.cross_entropy(m(x[i : i + 32]), y[i : i + 32])
        total = total + loss
    opt.zero_grad()
    loss.backward()  # bug
    # fix: total.backward()
    opt.step()
