import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(5, 1)
opt = torch.optim.AdamW(net.parameters(), lr=0.02, weight_decay=0.01)
warm = torch.optim.lr_scheduler.LambdaLR(opt, lambda step: min(1.0, (step + 1) / 5))
x, y = torch.randn(50, 5), torch.randn(50, 1)
for step in range(25):
    pred = net(x)
    loss = nn.functional.huber_loss(pred, y)
    opt.zero_grad(set_to_none=False)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    warm.step()
