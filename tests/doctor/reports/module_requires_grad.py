import torch
from torch import nn

torch.manual_seed(110)


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(9, 18)
        self.outc = nn.Linear(18, 4)

    def forward(self, x):
        return self.outc(torch.relu(self.body(x)))


model = Segmenter()
model.outc.requires_grad = False  # bug
# fix: model.outc.requires_grad_(False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(64, 9)
y = torch.randint(0, 4, (64,))
for epoch in range(20):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
