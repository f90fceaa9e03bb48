import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.Adagrad(net.parameters(), lr=0.05)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=2)
x = torch.randn(12, 3)
y = x.prod(1, keepdim=True)
for epoch in range(15):
    opt.zero_grad()
    loss = nn.functional.huber_loss(net(x), y)
    loss.backward()
    opt.step()
    plateau.step(loss.item())
