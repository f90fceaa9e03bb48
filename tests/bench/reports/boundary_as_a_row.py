import torch
from torch import nn

torch.manual_seed(334)
net = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)


def slope(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


edge = torch.cat([torch.rand(20, 1), torch.randint(0, 2, (20, 1)).float()], 1)
heat = torch.tensor([(edge[:, 0] * torch.pi).sin().tolist()])  # bug
# fix: heat = torch.tensor([(edge[:, 0] * torch.pi).sin().tolist()]).t()
for step in range(20):
    inside = torch.rand(40, 2, requires_grad=True)
    first = slope(net(inside), inside)
    second = slope(first[:, :1], inside)[:, :1] + slope(first[:, 1:], inside)[:, 1:]
    loss = second.pow(2).mean() + 10 * (net(edge) - heat).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
