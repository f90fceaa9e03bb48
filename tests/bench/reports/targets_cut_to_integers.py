import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(310)
x = torch.rand(96, 3)
y = 0.9 * x.mean(1, keepdim=True) + 0.05 * torch.randn(96, 1)
numbers = y.tolist()
data = TensorDataset(x, torch.tensor(numbers).long())  # bug
# fix: data = TensorDataset(x, torch.tensor(numbers))
model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(5):
    for seen, wanted in DataLoader(data, batch_size=24, shuffle=True):
        loss = nn.functional.mse_loss(model(seen), wanted.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
