import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(5)

m = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
o = torch.optim.Adam(m.parameters(), lr=1e-2)
for it in range(10):
    o.zero_grad()
    for task in range(3):
        a = torch.rand(1) * 2
        x = torch.randn(10, 1)
        y = torch.sin(a * x)
        w = dict(m.named_parameters())
        g = torch.autograd.grad(
            F.mse_loss(torch.func.functional_call(m, w, (x,)), y),
            list(w.values()),
            create_graph=True,
        )
        fast = {k: v - 0.1 * gg for (k, v), gg in zip(w.items(), g)}
        (F.mse_loss(torch.func.functional_call(m, fast, (x,)), y) / 3).backward()
    o.step()
