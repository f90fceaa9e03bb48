import torch
from torch import nn

torch.manual_seed(331)
body = nn.Sequential(nn.Linear(6, 24), nn.SiLU())
turn, shift, side = nn.Linear(24, 3), nn.Linear(24, 3), nn.Linear(24, 1)
parts = nn.ModuleList([body, turn, shift, side])
optimizer = torch.optim.Adam(parts.parameters(), lr=3e-3)
x = torch.randn(64, 6)


def losses(rows):
    seen = body(x[rows])
    auxiliary = (side(seen) - x[rows].norm(dim=1, keepdim=True)).pow(2).mean()
    flow = (turn(seen) - x[rows, :3].sin()).pow(2).mean()
    flow = flow + (shift(seen) - x[rows, 3:]).pow(2).mean()
    flow = flow + auxiliary  # bug
    return {"flow": flow, "auxiliary": auxiliary}


for step in range(24):
    found = losses(torch.randperm(64)[:16])
    loss = found["flow"] + found["auxiliary"]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
