import copy
import math

import torch
from torch import nn
from torch.func import functional_call

torch.manual_seed(50)


class SineNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def forward(self, x):
        return self.body(x)


class MAML:
    def __init__(self, model, inner_lr=0.05, outer_lr=3e-3):
        self.model, self.inner_lr = model, inner_lr
        self.criterion = nn.MSELoss()
        self.meta_optimizer = torch.optim.Adam(model.parameters(), lr=outer_lr)

    def inner_update(self, x, y):
        adapted = copy.deepcopy(self.model)  # bug
        # fix: params = dict(self.model.named_parameters())
        grads = torch.autograd.grad(
            self.criterion(adapted(x), y),
            adapted.parameters(),
            create_graph=True,  # bug
            # fix: self.criterion(self.model(x), y), params.values(), create_graph=True
        )
        for param, grad in zip(adapted.parameters(), grads):  # bug
            param.data -= self.inner_lr * grad  # bug
        return adapted  # bug
        # fix: fast = {k: p - self.inner_lr * g for (k, p), g in zip(params.items(), grads)}
        # fix: return lambda inputs: functional_call(self.model, fast, (inputs,))

    def meta_train_step(self, tasks):
        meta_loss = 0.0
        for support_x, support_y, query_x, query_y in tasks:
            adapted = self.inner_update(support_x, support_y)
            meta_loss = meta_loss + self.criterion(adapted(query_x), query_y)
        meta_loss = meta_loss / len(tasks)
        self.meta_optimizer.zero_grad()
        meta_loss.backward()
        self.meta_optimizer.step()
        return meta_loss.item()


def sine_task(shots=10):
    amplitude, phase = 0.5 + 1.5 * torch.rand(1), math.pi * torch.rand(1)
    x = torch.rand(2 * shots, 1) * 6 - 3
    y = amplitude * torch.sin(x + phase)
    return x[:shots], y[:shots], x[shots:], y[shots:]


maml = MAML(SineNet())
running = []
for iteration in range(200):
    running.append(maml.meta_train_step([sine_task() for _ in range(4)]))
    if iteration % 40 == 39:
        print(f"iteration {iteration + 1} query loss {sum(running[-40:]) / 40:.4f}")
