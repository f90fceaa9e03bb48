import torch
from torch import nn

torch.manual_seed(0)
scorer = nn.Linear(3, 1)
optimizer = torch.optim.SGD(scorer.parameters(), lr=0.05)
for i in range(8):
    x = torch.randn(7, 3)
    relevance = x.sum(1)
    s = scorer(x)
    apart = s - s.squeeze(1)
    wanted = (relevance[:, None] - relevance[None, :]).sign()
    loss = torch.relu(1 - wanted * apart).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
