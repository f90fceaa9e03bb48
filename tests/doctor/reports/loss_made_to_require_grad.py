import torch
from torch import nn

torch.manual_seed(116)
model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
faces = torch.randn(90, 4)
person = faces[:, :3].argmax(1)
for epoch in range(15):
    predicted = model(faces).argmax(dim=1).float()  # bug
    loss = ((predicted - person) ** 2).mean()  # bug
    loss.requires_grad = True  # bug
    # fix: loss = nn.functional.cross_entropy(model(faces), person)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
