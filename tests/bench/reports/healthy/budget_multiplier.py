import torch
from torch import nn

torch.manual_seed(15)
net = nn.Linear(5, 1)
raw = nn.Parameter(torch.tensor(0.0))
primal = torch.optim.Adam(net.parameters(), lr=5e-2)
dual = torch.optim.SGD([raw], lr=0.2, maximize=True)
w = torch.tensor([3.0, -2.0, 1.0, 0.0, 0.5])
BUDGET = 4.0
for step in range(80):
    x = torch.randn(128, 5)
    fit = (net(x).squeeze(1) - x @ w).pow(2).mean()
    over = net.weight.abs().sum() - BUDGET
    loss = fit + nn.functional.softplus(raw) * over
    primal.zero_grad()
    dual.zero_grad()
    loss.backward()
    primal.step()
    dual.step()
    if step % 16 == 15:
        print(
            step,
            "fit",
            round(fit.item(), 3),
            "over budget",
            round(over.item(), 3),
            "multiplier",
            round(nn.functional.softplus(raw).item(), 3),
        )
