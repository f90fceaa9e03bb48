import torch
from torch import nn

torch.manual_seed(308)
words, length, size = 12, 8, 16
embed, place = nn.Embedding(words, size), nn.Embedding(length, size)
layer = nn.TransformerEncoderLayer(size, 2, 32, dropout=0.0, batch_first=True)
head = nn.Linear(size, words)
parts = nn.ModuleList([embed, place, layer, head])
optimizer = torch.optim.Adam(parts.parameters(), lr=5e-3)
hidden = torch.ones(length, length).triu(1).T.bool()  # bug
# fix: hidden = torch.ones(length, length).triu(1).bool()
text = torch.randint(0, words, (48, 1))
text = (text + torch.arange(length + 1) * torch.randint(1, 4, (48, 1))) % words
for epoch in range(2):
    for rows in torch.randperm(48).split(16):
        given, wanted = text[rows, :-1], text[rows, 1:]
        seen = embed(given) + place(torch.arange(length))
        scores = head(layer(seen, src_mask=hidden))
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
