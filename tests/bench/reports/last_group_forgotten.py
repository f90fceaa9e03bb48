import torch
from torch import nn

torch.manual_seed(301)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 12)
        self.reader = nn.GRU(12, 16, batch_first=True)
        self.score = nn.Linear(16, 5)

    def forward(self, tokens):
        return self.score(self.reader(self.words(tokens))[0])


model = Tagger()
groups = []
group = {"lr": 2e-3, "params": list(model.words.parameters())}
groups.append(group)
group = {"lr": 1e-2, "params": list(model.reader.parameters())}
groups.append(group)
group = {"lr": 1e-2, "params": list(model.score.parameters())}  # bug
# fix: group = {"lr": 1e-2, "params": list(model.score.parameters())}
# fix: groups.append(group)
optimizer = torch.optim.Adam(groups)
tokens = torch.randint(0, 30, (48, 7))
tags = tokens % 5
for epoch in range(4):
    for rows in torch.randperm(48).split(12):
        loss = nn.functional.cross_entropy(model(tokens[rows]).flatten(0, 1), tags[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
