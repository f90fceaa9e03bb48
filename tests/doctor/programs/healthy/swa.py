import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, SWALR

torch.manual_seed(0)
net = nn.Linear(3, 1)
swa = AveragedModel(net)
opt = torch.optim.SGD(net.parameters(), lr=0.05)
sched = SWALR(opt, swa_lr=0.02)
x, y = torch.randn(30, 3), torch.randn(30, 1)
for i in range(20):
    opt.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
    if i >= 10:
        swa.update_parameters(net)
        sched.step()
