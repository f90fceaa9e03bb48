import torch
from torch import nn

torch.manual_seed(203)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 12, padding_idx=0)
        self.query = nn.Linear(12, 1)
        self.out = nn.Linear(12, 4)

    def forward(self, tokens):
        seen = self.words(tokens)
        scores = self.query(seen).squeeze(2)
        scores = scores.masked_fill(tokens == 0, 1e-9)  # bug
        # fix: scores = scores.masked_fill(tokens == 0, -1e9)
        weights = torch.softmax(scores, dim=1)
        return self.out((weights.unsqueeze(2) * seen).sum(1))


model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
texts = torch.randint(1, 30, (64, 9))
for row, length in enumerate(torch.randint(2, 10, (64,))):
    texts[row, length:] = 0
topic = texts[:, 0] % 4
for epoch in range(6):
    for rows in torch.randperm(64).split(16):
        loss = nn.functional.cross_entropy(model(texts[rows]), topic[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
