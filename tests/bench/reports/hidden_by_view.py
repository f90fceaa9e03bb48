import torch
from torch import nn

torch.manual_seed(211)


class Sentiment(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.out = nn.Linear(10, 2)

    def forward(self, tokens):
        _, (hidden, _) = self.lstm(self.words(tokens))
        both = hidden.view(len(tokens), -1)  # bug
        # fix: both = hidden.transpose(0, 1).reshape(len(tokens), -1)
        return self.out(both)


model = Sentiment()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
texts = torch.randint(0, 30, (64, 8))
label = (texts[:, 0] > texts[:, -1]).long()
for epoch in range(5):
    for rows in torch.randperm(64).split(16):
        loss = nn.functional.cross_entropy(model(texts[rows]), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
