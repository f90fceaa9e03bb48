import torch
from torch import nn

torch.manual_seed(0)
body, head = nn.Linear(6, 8), nn.Linear(8, 2)
body.requires_grad_(False)
opt = torch.optim.Adam(head.parameters(), lr=0.01)
x, y = torch.randn(40, 6), torch.randint(0, 2, (40,))
for epoch in range(16):
    if epoch == 8:
        body.requires_grad_(True)
        opt.add_param_group({"params": body.parameters(), "lr": 0.001})
    loss = nn.functional.cross_entropy(head(torch.relu(body(x))), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
