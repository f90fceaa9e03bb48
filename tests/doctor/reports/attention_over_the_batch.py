import torch
from torch import nn

torch.manual_seed(107)


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(7, 1)
        self.out = nn.Linear(7, 3)

    def forward(self, words):
        weights = torch.softmax(self.score(words), dim=0)  # bug
        # fix: weights = torch.softmax(self.score(words), dim=1)
        return self.out((weights * words).sum(1))


model = Pooled()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
texts = torch.randn(60, 11, 7)
topic = texts.amax(dim=1)[:, :3].argmax(1)
for epoch in range(15):
    for rows in torch.randperm(60).split(15):
        loss = nn.functional.cross_entropy(model(texts[rows]), topic[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
