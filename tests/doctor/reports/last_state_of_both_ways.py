import torch
from torch import nn

torch.manual_seed(314)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 12, batch_first=True, bidirectional=True)
        self.head = nn.Linear(24, 2)

    def forward(self, x):
        out, (state, _) = self.lstm(x)
        return self.head(out[:, -1])  # bug
        # fix: return self.head(torch.cat([state[0], state[1]], 1))


model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(64, 6, 3)
y = (x[:, :, 0].sum(1) > 0).long()
for epoch in range(4):
    for rows in torch.randperm(64).split(16):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
