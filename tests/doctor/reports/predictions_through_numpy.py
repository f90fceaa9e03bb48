import torch
from torch import nn

torch.manual_seed(134)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
views = torch.randn(2, 50, 8)
finding = (views[0, :, 0] > 0).long()
for epoch in range(12):
    left, right = model(views[0]).softmax(1), model(views[1]).softmax(1)
    mean = (left.detach().numpy() + right.detach().numpy()) / 2  # bug
    predictions = torch.tensor(mean, requires_grad=True)  # bug
    # fix: predictions = (left + right) / 2
    loss = nn.functional.nll_loss(predictions.log(), finding)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
