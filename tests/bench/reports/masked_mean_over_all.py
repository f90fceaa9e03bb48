import torch
from torch import nn

torch.manual_seed(221)
model = nn.Sequential(nn.Embedding(20, 10), nn.Linear(10, 20))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
texts = torch.randint(1, 20, (48, 13))
lengths = torch.randint(3, 13, (48,))
valid = torch.arange(12) < lengths.unsqueeze(1)
for epoch in range(6):
    for rows in torch.randperm(48).split(12):
        scores = model(texts[rows, :-1])
        each = nn.functional.cross_entropy(
            scores.transpose(1, 2), texts[rows, 1:], reduction="none"
        )
        loss = (each * valid[rows]).mean()  # bug
        # fix: loss = (each * valid[rows]).sum() / valid[rows].sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
