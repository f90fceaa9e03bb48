import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(208)
embed = nn.Embedding(40, 10).requires_grad_(False)
block = nn.Sequential(nn.Linear(10, 20), nn.GELU(), nn.Linear(20, 10))
head = nn.Linear(10, 3)
optimizer = torch.optim.AdamW([*block.parameters(), *head.parameters()], lr=1e-2)
tokens = torch.randint(0, 40, (48, 6))
label = tokens[:, 0] % 3
for epoch in range(6):
    for rows in torch.randperm(48).split(16):
        seen = checkpoint(block, embed(tokens[rows]), use_reentrant=True)  # bug
        # fix: seen = checkpoint(block, embed(tokens[rows]), use_reentrant=False)
        loss = nn.functional.cross_entropy(head(seen.mean(1)), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
