import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(316)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 8))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
sounds = torch.randn(64, 10)
kind = sounds[:, :4].argmax(1)
for step in range(20):
    rows = torch.randperm(64)[:16]
    z = F.normalize(model(sounds[rows]), dim=0)  # bug
    # fix: z = F.normalize(model(sounds[rows]), dim=1)
    likeness = z @ z.t() / 0.2
    own = torch.eye(16, dtype=torch.bool)
    same = (kind[rows, None] == kind[rows]) & ~own
    log = likeness - likeness.masked_fill(own, -1e9).logsumexp(1, keepdim=True)
    loss = -((log * same).sum(1) / same.sum(1).clamp(min=1)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
