import torch
from torch import nn

nets = [nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)) for _ in range(2)]
nets[1].load_state_dict(nets[0].state_dict())
optimizers = [torch.optim.SGD(net.parameters(), lr=0.05) for net in nets]
torch.manual_seed(0)
for _ in range(8):
    for net, optimizer in zip(nets, optimizers):
        x = torch.randn(16, 4)
        optimizer.zero_grad()
        ((net(x) - x[:, :1]) ** 2).mean().backward()
    for group in zip(*(net.parameters() for net in nets)):
        mean = torch.stack([p.grad for p in group]).mean(0)
        for p in group:
            p.grad.copy_(mean)
    for optimizer in optimizers:
        optimizer.step()
