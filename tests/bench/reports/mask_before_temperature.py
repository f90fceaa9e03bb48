import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(335)
model = nn.Linear(6, 8)
temperature = nn.Parameter(torch.tensor(0.5))
optimizer = torch.optim.Adam([*model.parameters(), temperature], lr=3e-3)
query = torch.randn(40, 6)
answer = query[:, None] + torch.randn(40, 5, 6) * torch.tensor([0.1, 2, 2, 2, 2])[:, None]
empty = torch.arange(5) > torch.randint(2, 5, (40, 1))
for step in range(12):
    rows = torch.randperm(40)[:16]
    found, wanted = (
        F.normalize(model(query[rows]), dim=-1),
        F.normalize(model(answer[rows]), dim=-1),
    )
    scores = (found[:, None] * wanted).sum(-1)
    scores = scores.masked_fill(empty[rows], float("-inf")) / temperature  # bug
    # fix: scores = (scores / temperature).masked_fill(empty[rows], float("-inf"))
    loss = F.cross_entropy(scores, torch.zeros(16, dtype=torch.long))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
