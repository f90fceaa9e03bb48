import torch
from torch import nn

torch.manual_seed(19)
trunk = nn.Sequential(nn.Linear(6, 32), nn.Tanh())
depth, kind = nn.Linear(32, 1), nn.Linear(32, 3)
params = [*trunk.parameters(), *depth.parameters(), *kind.parameters()]
opt = torch.optim.Adam(params, lr=1e-2)
w, c = torch.randn(6), torch.randn(6, 3)
for step in range(70):
    x = torch.randn(64, 6)
    h = trunk(x)
    opt.zero_grad()
    first = nn.functional.mse_loss(depth(h).squeeze(1), torch.tanh(x @ w))
    first.backward(retain_graph=True)
    size = max(p.grad.norm().item() for p in trunk.parameters())
    second = nn.functional.cross_entropy(kind(h), (x @ c).argmax(1))
    (0.5 * second).backward()
    opt.step()
    if step % 14 == 13:
        print(
            step,
            round(first.item(), 4),
            round(second.item(), 4),
            "trunk grad of the first task",
            round(size, 4),
        )
