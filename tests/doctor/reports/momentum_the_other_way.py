import torch
from torch import nn

torch.manual_seed(324)
model = nn.Sequential(
    nn.Conv2d(1, 6, 3),
    nn.BatchNorm2d(6, eps=1e-3, momentum=0.99),  # bug
    # fix: nn.BatchNorm2d(6, eps=1e-3, momentum=0.01),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(216, 3),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
picture = torch.randn(72, 1, 8, 8) * (0.5 + torch.rand(72, 1, 1, 1))
label = torch.stack([picture[:, 0, i::3].mean((1, 2)) for i in range(3)], 1).argmax(1)
for epoch in range(4):
    model.train()
    for rows in torch.randperm(72).split(12):
        loss = nn.functional.cross_entropy(model(picture[rows]), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), (model(picture).argmax(1) == label).float().mean().item())
