import torch
from torch import nn

torch.manual_seed(222)
model = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(90, 5)
y = x[:, :3].argmax(1)
for step in range(24):
    rows = torch.randint(0, 90, (15,))
    loss = nn.functional.cross_entropy(model(x[rows]), y[torch.randint(0, 90, (15,))])  # bug
    # fix: loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
