import torch
from torch import nn

torch.manual_seed(309)


class Reader(nn.Module):
    def __init__(self, words, pad):
        super().__init__()
        self.ignore_index = pad
        self.embed = nn.Embedding(words, 16, padding_idx=pad)
        self.rnn = nn.GRU(16, 24, batch_first=True)
        self.score = nn.Linear(24, words)

    def forward(self, text):
        scores = self.score(self.rnn(self.embed(text[:, :-1]))[0])
        return nn.functional.cross_entropy(scores.transpose(1, 2), text[:, 1:])  # bug
        # fix: return nn.functional.cross_entropy(
        # fix:     scores.transpose(1, 2), text[:, 1:], ignore_index=self.ignore_index
        # fix: )


model = Reader(20, 0)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
text = (torch.randint(1, 20, (64, 1)) + torch.arange(10)) % 19 + 1
lengths = torch.randint(3, 11, (64, 1))
text = text.masked_fill(torch.arange(10) >= lengths, 0)
for epoch in range(2):
    for rows in torch.randperm(64).split(16):
        loss = model(text[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
