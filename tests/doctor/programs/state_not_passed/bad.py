import torch
from torch import nn

torch.manual_seed(0)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 12)
        self.out = nn.Linear(12, 2)

    def forward(self, x):
        h = torch.zeros(len(x), 12)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t])
        return self.out(h)


model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(8):
    x = torch.randn(32, 6, 3)
    y = (x[:, 0, 0] > 0).long()
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
