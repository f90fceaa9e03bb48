import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(219)
encoder, decoder = nn.Linear(12, 4), nn.Linear(4, 12)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
pictures = (torch.rand(60, 12) > 0.6).float()
for epoch in range(6):
    for rows in torch.randperm(60).split(15):
        seen = pictures[rows]
        logits = decoder(torch.tanh(encoder(seen)))
        loss = F.binary_cross_entropy_with_logits(seen, logits)  # bug
        # fix: loss = F.binary_cross_entropy_with_logits(logits, seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
