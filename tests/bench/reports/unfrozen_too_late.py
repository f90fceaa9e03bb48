import torch
from torch import nn

torch.manual_seed(209)
body = nn.Sequential(nn.Linear(8, 16), nn.ReLU())
head = nn.Linear(16, 2)
for parameter in body.parameters():
    parameter.requires_grad_(False)
trained = [p for p in [*body.parameters(), *head.parameters()] if p.requires_grad]
optimizer = torch.optim.SGD(trained, lr=0.1)
x = torch.randn(60, 8)
y = (x[:, 0] * x[:, 1] > 0).long()
for epoch in range(8):
    if epoch == 3:
        body.requires_grad_(True)  # bug
        # fix: optimizer.add_param_group({"params": body.requires_grad_(True).parameters()})
    for rows in torch.randperm(60).split(20):
        loss = nn.functional.cross_entropy(head(body(x[rows])), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
