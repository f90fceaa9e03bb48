import torch
from torch import nn

torch.manual_seed(108)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(6, 1)
        self.answer = nn.Linear(6, 2)

    def forward(self, x):
        attention = torch.softmax(self.query(x), dim=2)  # bug
        # fix: attention = torch.softmax(self.query(x), dim=1)
        return self.answer((attention * x).sum(dim=1))


reader = Reader()
optimizer = torch.optim.SGD(reader.parameters(), lr=0.1)
x = torch.randn(40, 5, 6)
y = (x[:, 0, 0] > 0).long()
for epoch in range(30):
    loss = nn.functional.cross_entropy(reader(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
