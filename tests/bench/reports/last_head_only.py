import torch
from torch import nn

torch.manual_seed(224)
body = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
heads = nn.ModuleList([nn.Linear(16, 1) for _ in range(3)])
optimizer = torch.optim.Adam([*body.parameters(), *heads.parameters()], lr=1e-2)
x = torch.randn(60, 6)
y = torch.stack([x.sum(1), x.prod(1), x.amax(1)], 1)
for epoch in range(6):
    for rows in torch.randperm(60).split(15):
        seen = body(x[rows])
        loss = 0.0
        for number, head in enumerate(heads):
            wrong = head(seen).squeeze(1) - y[rows, number]
            loss = (wrong**2).mean()  # bug
            # fix: loss = loss + (wrong**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
