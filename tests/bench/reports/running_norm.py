import torch
from torch import nn

torch.manual_seed(50)
BN_MOMENTUM = 0.95  # bug
# fix: BN_MOMENTUM = 1 - 0.95


def block(i, o):
    return nn.Sequential(
        nn.Linear(i, o), nn.BatchNorm1d(o, eps=1e-5, momentum=BN_MOMENTUM), nn.ReLU()
    )


net = nn.Sequential(block(10, 64), block(64, 64), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
x = torch.randn(320, 10) * torch.linspace(0.5, 3, 10) + 2
y = torch.sin(x[:, :1]) + 0.3 * x[:, 1:2]
held = torch.randn(256, 10) * torch.linspace(0.5, 3, 10) + 2
held_y = torch.sin(held[:, :1]) + 0.3 * held[:, 1:2]


def evaluate():
    net.eval()
    with torch.no_grad():
        value = nn.functional.mse_loss(net(held), held_y).item()
    net.train()
    return value


for step in range(80):
    idx = torch.randint(0, 320, (3,))
    loss = nn.functional.mse_loss(net(x[idx]), y[idx])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step >= 60 and step % 4 == 3:
        print(f"step {step} train {loss.item():.3f} held {evaluate():.3f}")
