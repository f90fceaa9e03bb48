import torch
from torch import nn

torch.manual_seed(127)
model = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1))
shadow = {name: value.clone() for name, value in model.state_dict().items()}
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(64, 3)
y = x.prod(1, keepdim=True)


def update(decay=0.9):
    for name, value in model.state_dict().items():
        shadow[name].mul_(decay).add_(value, alpha=1 - decay)


for epoch in range(4):
    for rows in torch.randperm(64).split(16):
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # fix: update()
    model.load_state_dict(shadow)  # bug
    # fix: model.load_state_dict(shadow)
print(loss.item())
