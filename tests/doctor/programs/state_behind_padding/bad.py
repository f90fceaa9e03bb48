import torch
from torch import nn

torch.manual_seed(0)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8, padding_idx=0)
        self.reads = nn.LSTM(8, 12, batch_first=True)
        self.says = nn.Linear(12, 2)

    def forward(self, tokens, lengths):
        states, _ = self.reads(self.words(tokens))
        return self.says(states[:, -1])


lengths = torch.randint(2, 15, (48,))
tokens = torch.randint(1, 20, (48, 14)) * (torch.arange(14) < lengths[:, None])
y = (tokens[torch.arange(48), lengths - 1] > 10).long()
model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(6):
    loss = nn.functional.cross_entropy(model(tokens, lengths), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
