import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(48, 6), torch.randint(0, 2, (48,))
test_x, test_y = torch.randn(16, 6), torch.randint(0, 2, (16,))
model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

for epoch in range(10):
    model.train()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()

    model.eval()
    with torch.no_grad():
        accuracy = (model(test_x).argmax(1) == test_y).float().mean()
    print(epoch, loss.item(), accuracy.item())
