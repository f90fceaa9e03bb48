import torch
from torch import nn

torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
embed, head = nn.Embedding(12, 8), nn.Linear(8, 12)
params = [*layer.parameters(), *embed.parameters(), *head.parameters()]
optimizer = torch.optim.AdamW(params, lr=1e-3)
mask = nn.Transformer.generate_square_subsequent_mask(6)
for step in range(6):
    tokens = torch.randint(0, 12, (3, 7))
    logits = head(layer(embed(tokens[:, :-1]), src_mask=mask))
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
