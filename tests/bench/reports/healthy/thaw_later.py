import torch
from torch import nn

torch.manual_seed(17)
base = nn.Sequential(nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU())
head = nn.Linear(40, 3)
base.requires_grad_(False)
opt = torch.optim.Adam(head.parameters(), lr=1e-2)
proto = torch.randn(10, 3)
for step in range(80):
    if step == 40:
        base[2].requires_grad_(True)
        opt.add_param_group({"params": base[2].parameters(), "lr": 1e-3})
    x = torch.randn(64, 10)
    y = (x @ proto).argmax(1)
    loss = nn.functional.cross_entropy(head(base(x)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(step, round(loss.item(), 4), "trainable groups", len(opt.param_groups))
