import torch
from torch import nn

torch.manual_seed(228)


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6) for _ in range(4)])
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        for layer in self.layers:
            seen = torch.relu(layer(x))  # bug
            # fix: x = seen = torch.relu(layer(x))
        return self.out(seen)


model = Deep()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(60, 6)
y = (x[:, 0] > x[:, 1]).long()
for epoch in range(6):
    for rows in torch.randperm(60).split(15):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
