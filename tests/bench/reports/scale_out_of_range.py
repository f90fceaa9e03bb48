import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(321)


class Sphere(nn.Module):
    def __init__(self, leaves):
        super().__init__()
        self.leaf = nn.Embedding(leaves, 2)
        self.scale = nn.Parameter(torch.tensor([1e-3]))  # bug
        # fix: self.scale = nn.Parameter(torch.tensor([0.1]))

    def forward(self, index):
        return F.normalize(self.leaf(index), dim=-1) * self.scale.clamp(1e-2, 0.999)


model = Sphere(20)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
pairs = torch.randint(0, 20, (200, 2))
wanted = 0.4 * ((pairs[:, 0] - pairs[:, 1]).abs() % 5).float() / 5
for step in range(30):
    rows = torch.randperm(200)[:40]
    one, other = model(pairs[rows, 0]), model(pairs[rows, 1])
    loss = (((one - other) ** 2).sum(1) - wanted[rows]).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item(), model.scale.item())
