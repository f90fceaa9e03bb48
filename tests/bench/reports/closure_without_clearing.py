import torch
from torch import nn

torch.manual_seed(319)
model = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.2, max_iter=5)
x = torch.randn(80, 2)
y = (x[:, :1] * 1.5).sin() + 0.3 * x[:, 1:]


def closure():
    # fix: optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()  # bug
    # fix: loss.backward()
    return loss


for epoch in range(8):
    optimizer.zero_grad()  # bug
    loss = optimizer.step(closure)
    print(epoch, loss.item())
