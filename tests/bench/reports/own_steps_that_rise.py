import torch
from torch import nn

torch.manual_seed(0)
m = nn.Linear(5, 1)
opt = torch.optim.SGD(m.parameters(), lr=0.01)
s = torch.optim.lr_scheduler.StepLR(opt, step_size=5, gamma=1.5)  # bug
# fix: s = torch.optim.lr_scheduler.StepLR(opt, step_size=5, gamma=0.5)
for _ in range(30):
    x = torch.randn(32, 5)
    loss = ((m(x) - x.sum(1, keepdim=True)) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    s.step()
