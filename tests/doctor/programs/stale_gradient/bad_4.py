import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=1e-3)
x = torch.randn(32, 3)
y = x.sum(1, keepdim=True)
for ep in range(10):
    l = F.mse_loss(model(x), y)
    l.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
