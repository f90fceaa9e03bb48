import torch
from torch import nn

torch.manual_seed(0)
embed = nn.Embedding(10, 4, padding_idx=0)
nn.init.normal_(embed.weight)
with torch.no_grad():
    embed.weight[0].zero_()
head = nn.Linear(4, 1)
optimizer = torch.optim.SGD([*embed.parameters(), *head.parameters()], lr=0.05)
ids = torch.randint(1, 10, (12, 6))
ids[:, 4:] = 0
y = ids.sum(1, keepdim=True) / 20
for _ in range(10):
    loss = ((head(embed(ids).mean(1)) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
