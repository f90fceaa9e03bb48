import copy, math
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
w1 = torch.randn(5, 16) * 0.4
w2 = torch.randn(16, 1) * 0.3
w1.requires_grad_()
w2.requires_grad_()
for s in range(30):
    x = torch.randn(32, 5)
    y = (x[:, :1] > 0).float()
    out = torch.relu(torch.relu(x @ w1) @ w2)  # bug
    # fix: out=torch.relu(x@w1)@w2
    loss = -(
        y * torch.log(torch.sigmoid(out) + 1e-8)
        + (1 - y) * torch.log(1 - torch.sigmoid(out) + 1e-8)
    ).mean()
    loss.backward()
    with torch.no_grad():
        for w in (w1, w2):
            w -= 0.1 * w.grad
            w.grad.zero_()
