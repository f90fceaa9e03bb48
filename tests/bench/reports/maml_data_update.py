import copy  # bug

# bug
import torch
import torch.nn as nn
from torch.func import functional_call

torch.manual_seed(36)

INNER_LR, TASKS = 0.05, 6


class SineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1)
        )

    def forward(self, x):
        return self.layers(x)


def sample_task():
    amp, phase = 0.5 + torch.rand(1), 3.1416 * torch.rand(1)
    f = lambda x: amp * torch.sin(x + phase)
    xs, xq = torch.rand(10, 1) * 6 - 3, torch.rand(20, 1) * 6 - 3
    return xs, f(xs), xq, f(xq)


criterion = nn.MSELoss()
model = SineNet()
meta_optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)


def inner_update(model, xs, ys):
    adapted = copy.deepcopy(model)  # bug
    loss = criterion(adapted(xs), ys)  # bug
    grads = torch.autograd.grad(loss, list(adapted.parameters()), create_graph=True)  # bug
    for param, grad in zip(adapted.parameters(), grads):  # bug
        param.data -= INNER_LR * grad  # bug
    return adapted  # bug
    # fix: params = dict(model.named_parameters())
    # fix: loss = criterion(model(xs), ys)
    # fix: grads = torch.autograd.grad(loss, list(params.values()), create_graph=True)
    # fix: adapted = {name: p - INNER_LR * g for (name, p), g in zip(params.items(), grads)}
    # fix: return lambda x: functional_call(model, adapted, (x,))


for it in range(50):
    meta_loss = 0.0
    for _ in range(TASKS):
        xs, ys, xq, yq = sample_task()
        adapted = inner_update(model, xs, ys)
        meta_loss = meta_loss + criterion(adapted(xq), yq)
    meta_loss = meta_loss / TASKS

    meta_optimizer.zero_grad()
    meta_loss.backward()
    meta_optimizer.step()
    if it % 10 == 0 or it == 49:
        print(f"meta iter {it:2d} query loss {meta_loss.item():.4f}")
