import torch
from torch import nn

torch.manual_seed(205)
model = nn.Sequential(
    nn.Linear(6, 20),
    nn.Tanh(),
    nn.Linear(20, 4),
    nn.Softmax(dim=1),  # bug
    # fix: nn.LogSoftmax(dim=1),
)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
x = torch.randn(90, 6)
y = x[:, :4].argmax(1)
for epoch in range(8):
    for rows in torch.randperm(90).split(30):
        loss = criterion(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
