import torch
from torch import nn


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 5)
        self.out = nn.Linear(5, 9, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, words):
        return self.out(torch.tanh(self.embed(words)))


torch.manual_seed(0)
model = Words()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
words = torch.randint(0, 9, (20,))
for _ in range(10):
    loss = nn.functional.cross_entropy(model(words[:-1]), words[1:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
