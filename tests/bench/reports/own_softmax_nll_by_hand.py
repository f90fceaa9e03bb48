import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
w = torch.zeros(5, 3, requires_grad=True)
for s in range(30):
    x = torch.randn(32, 5)
    y = x[:, :3].argmax(1)
    p = torch.softmax(x @ w, dim=0)  # bug
    # fix: p=torch.softmax(x@w,dim=1)
    loss = -torch.log(p[torch.arange(32), y]).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
