import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
x, y = torch.randn(40, 4), torch.randint(0, 2, (40,))
xv, yv = torch.randn(20, 4), torch.randint(0, 2, (20,))
opt = torch.optim.Adam(net.parameters(), lr=0.01)


def evaluate(model):
    model.eval()
    with torch.no_grad():
        return (model(xv).argmax(1) == yv).float().mean().item()


for epoch in range(20):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    if epoch % 2 == 1:
        print(evaluate(net))
