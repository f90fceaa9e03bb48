import math
import torch
import torch.nn.functional as F

torch.manual_seed(8)

INNER_LR, INNER_STEPS, TASKS = 0.05, 2, 6


def init_weights():
    shapes = [(32, 1), (32,), (32, 32), (32,), (1, 32), (1,)]
    weights = []
    for shape in shapes:
        if len(shape) == 2:
            w = torch.randn(*shape) / math.sqrt(shape[1])
        else:
            w = torch.zeros(*shape)
        weights.append(w.requires_grad_(True))
    return weights


def forward(x, w):
    h = torch.tanh(F.linear(x, w[0], w[1]))
    h = torch.tanh(F.linear(h, w[2], w[3]))
    return F.linear(h, w[4], w[5])


def sample_task():
    amp = 0.5 + 2.0 * torch.rand(1)
    phase = math.pi * torch.rand(1)

    def draw(n):
        x = 6 * torch.rand(n, 1) - 3
        return x, amp * torch.sin(x + phase)

    return draw


def adapt(weights, x, y):
    fast = weights
    for _ in range(INNER_STEPS):
        inner_loss = F.mse_loss(forward(x, fast), y)
        grads = torch.autograd.grad(inner_loss, fast)  # bug
        # fix: grads = torch.autograd.grad(inner_loss, fast, create_graph=True)
        fast = [w - INNER_LR * g for w, g in zip(fast, grads)]
    return fast


meta = init_weights()
meta_opt = torch.optim.Adam(meta, lr=5e-3)
for it in range(60):
    outer = 0.0
    for _ in range(TASKS):
        draw = sample_task()
        xs, ys = draw(10)
        xq, yq = draw(10)
        fast = adapt(meta, xs, ys)
        outer = outer + F.mse_loss(forward(xq, fast), yq)
    outer = outer / TASKS
    meta_opt.zero_grad()
    outer.backward()
    meta_opt.step()
    if it % 10 == 0 or it == 59:
        print(f"meta-iter {it:2d}  query loss {outer.item():.4f}")
