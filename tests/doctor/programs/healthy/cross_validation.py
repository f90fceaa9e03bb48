import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(60, 3), torch.randn(60, 1)
for fold in range(3):
    keep = torch.arange(60) % 3 != fold
    model = nn.Linear(3, 1)
    opt = torch.optim.SGD(model.parameters(), lr=0.05)
    for epoch in range(8):
        opt.zero_grad()
        loss = nn.functional.mse_loss(model(x[keep]), y[keep])
        loss.backward()
        opt.step()
    with torch.no_grad():
        print(nn.functional.mse_loss(model(x[~keep]), y[~keep]).item())
