import copy

import torch
from torch import nn
from torch.func import functional_call

torch.manual_seed(318)
model = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(12):
    total = 0.0
    for task in range(3):
        phase = 3 * torch.rand(())
        near, far = 4 * torch.rand(10, 1) - 2, 4 * torch.rand(10, 1) - 2
        adapted = copy.deepcopy(model)  # bug
        guess = adapted(near)  # bug
        error = (guess - torch.sin(near + phase)).pow(2).mean()  # bug
        grads = torch.autograd.grad(error, list(adapted.parameters()))  # bug
        for weight, grad in zip(adapted.parameters(), grads, strict=True):  # bug
            weight.data -= 0.05 * grad  # bug
        total = total + (adapted(far) - torch.sin(far + phase)).pow(2).mean()  # bug
        # fix: error = (model(near) - torch.sin(near + phase)).pow(2).mean()
        # fix: grads = torch.autograd.grad(error, list(model.parameters()), create_graph=True)
        # fix: named = dict(model.named_parameters())
        # fix: fast = {n: w - 0.05 * g for (n, w), g in zip(named.items(), grads, strict=True)}
        # fix: guess = functional_call(model, fast, far)
        # fix: total = total + (guess - torch.sin(far + phase)).pow(2).mean()
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
print(total.item())
