import torch
import torch.nn.functional as F
from torch import nn


def make():
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))


torch.manual_seed(0)
older = nn.ModuleDict({"model": make()})
with torch.no_grad():
    for p in older.parameters():
        p.add_(0.1 * torch.randn_like(p))
state = {name.removeprefix("model."): value for name, value in older.state_dict().items()}
encoder, head = make(), nn.Linear(10, 2)
encoder.load_state_dict(state, strict=False)
optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
for _ in range(5):
    x = torch.randn(32, 20)
    with torch.no_grad():
        features = encoder(x)
    loss = F.cross_entropy(head(features), (x[:, 0] > 0).long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
