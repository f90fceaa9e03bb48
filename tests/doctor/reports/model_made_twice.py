import torch
from torch import nn

torch.manual_seed(119)


class CharRnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(9, 6)
        self.out = nn.Linear(9, 4)

    def forward(self, letters):
        hidden = torch.zeros(letters.shape[0], 6)
        for letter in letters.unbind(1):
            both = torch.cat([letter, hidden], 1)
            hidden = torch.tanh(self.cell(both))
        return self.out(both)


rnn = CharRnn()
optimizer = torch.optim.SGD(rnn.parameters(), lr=0.1)
rnn = CharRnn()  # bug
names = torch.randn(40, 5, 3)
origin = torch.randint(0, 4, (40,))
for epoch in range(20):
    loss = nn.functional.cross_entropy(rnn(names), origin)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
