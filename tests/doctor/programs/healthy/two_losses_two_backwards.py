# two different losses of one batch, backward one after the other
import torch
from torch import nn

torch.manual_seed(0)
body, head_a, head_b = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 3)
params = [*body.parameters(), *head_a.parameters(), *head_b.parameters()]
opt = torch.optim.Adam(params, lr=0.01)
x, ya, yb = torch.randn(30, 4), torch.randn(30, 1), torch.randint(0, 3, (30,))
for _ in range(15):
    opt.zero_grad()
    h = torch.relu(body(x))
    nn.functional.mse_loss(head_a(h), ya).backward(retain_graph=True)
    nn.functional.cross_entropy(head_b(h), yb).backward()
    opt.step()
