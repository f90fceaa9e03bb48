import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
edges = (torch.rand(20, 20) < 0.1).float().triu(1)
edges = edges + edges.T
share = edges / edges.sum(1, keepdim=True).clamp(min=1)
x, label = torch.randn(20, 5), torch.randint(0, 2, (20,))
first, last = nn.Linear(5, 8), nn.Linear(8, 2)
optimizer = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=0.01)
for _ in range(6):
    loss = F.cross_entropy(last((share @ first(x)).relu()), label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
