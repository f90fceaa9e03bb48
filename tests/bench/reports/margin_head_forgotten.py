import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(213)


class Margin(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        self.centre = nn.Parameter(torch.randn(classes, size))

    def forward(self, seen, label):
        cosine = F.normalize(seen) @ F.normalize(self.centre).t()
        cosine = cosine - 0.2 * F.one_hot(label, len(self.centre))
        return F.cross_entropy(8 * cosine, label)


model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 6))
criterion = Margin(6, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)  # bug
# fix: optimizer = torch.optim.Adam([*model.parameters(), *criterion.parameters()], lr=1e-2)
faces = torch.randn(72, 5)
person = faces[:, :4].argmax(1)
for epoch in range(5):
    for rows in torch.randperm(72).split(18):
        loss = criterion(model(faces[rows]), person[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
