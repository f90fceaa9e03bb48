import torch
from torch import nn

torch.manual_seed(115)
encoder = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 6))
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.2)
prior = torch.full((6,), 1 / 6)
views = torch.randn(64, 10)
for epoch in range(25):
    mean_probability = encoder(views).softmax(dim=1).mean(dim=0)
    loss = nn.functional.kl_div(mean_probability, prior, reduction="sum")  # bug
    # fix: loss = nn.functional.kl_div(mean_probability.log(), prior, reduction="sum")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
