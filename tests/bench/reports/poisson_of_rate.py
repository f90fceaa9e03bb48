import torch
from torch import nn

torch.manual_seed(227)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1), nn.Softplus())
criterion = nn.PoissonNLLLoss()  # bug
# fix: criterion = nn.PoissonNLLLoss(log_input=False)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(80, 4)
counts = torch.poisson((x[:, :1] + 1).exp())
for epoch in range(6):
    for rows in torch.randperm(80).split(20):
        loss = criterion(model(x[rows]), counts[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
