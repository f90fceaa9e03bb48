import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, 8))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
data = torch.randn(64, 8) * 2
shares = torch.cumprod(1 - torch.linspace(0.01, 0.2, 20), 0)

for step in range(8):
    x = data[torch.randint(0, 64, (32,))]
    time = torch.randint(0, 20, (32, 1))
    noise = torch.randn_like(x)
    share = shares[time]
    noisy = share * x + (1 - share) * noise
    guess = model(torch.cat([noisy, time / 20], 1))
    loss = nn.functional.mse_loss(guess, noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
