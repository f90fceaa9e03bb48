"""Parameters of every kind."""

from __future__ import annotations

import torch
from torch import nn

from tests.capture.programs.registry import See, regression, sgd, steps, train


@steps(40)
def data_is_rebound(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(40):
        w.exp().sum().backward()
        w.data = w.data - 0.01 * w.grad
        w.grad = None
        see(w)


@steps(40)
def name_is_rebound(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(40):
        w.exp().sum().backward()
        w = (w - 0.01 * w.grad).detach().requires_grad_()
        see(w)


@steps(60)
def name_is_rebound_and_the_old_ones_live_on(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    history = []
    for _ in range(60):
        w.exp().sum().backward()
        history.append(w)
        w = (w - 0.01 * w.grad).detach().requires_grad_()
        see(w)


@steps(3)
def sparse_embedding(see: See) -> None:
    table = nn.Embedding(10, 3, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters())
    for row in range(3):
        optimizer.zero_grad()
        table(torch.tensor([1, 2, row])).pow(2).sum().backward()
        optimizer.step()
        see(table.weight, table.weight.grad)


@steps(3)
def complex_parameters(see: See) -> None:
    w = torch.randn(3, dtype=torch.complex64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        ((w * w.conj()).real.sum() + w.imag.sum()).backward()
        optimizer.step()
        see(w, w.grad)


def of_dtype(see: See, dtype: torch.dtype) -> None:
    model = nn.Linear(3, 2, dtype=dtype)
    train(see, model, torch.randn(4, 3, dtype=dtype), torch.randn(4, 2, dtype=dtype))


@steps(3)
def float64(see: See) -> None:
    of_dtype(see, torch.float64)


@steps(3)
def bfloat16(see: See) -> None:
    of_dtype(see, torch.bfloat16)


@steps(4)
def dtype_changes_on_the_way(see: See) -> None:
    model, x, y = regression()
    train(see, model, x, y, turns=2)
    model.double()
    train(see, model, x.double(), y.double(), turns=2)


@steps(3)
def zero_size_and_not_contiguous(see: See) -> None:
    empty = torch.zeros(0, 3, requires_grad=True)
    w = torch.randn(3, 4).t().requires_grad_()
    for _ in range(3):
        (empty.sum() + w.exp().sum()).backward()
        see(w, w.grad, empty.grad)
        with torch.no_grad():
            w -= 0.01 * w.grad
        w.grad = empty.grad = None


@steps(3)
def grads_are_views_of_one_buffer(see: See) -> None:
    buffer = torch.zeros(4)
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    a.grad, b.grad = buffer[:2], buffer[2:]
    for _ in range(3):
        (a * b).sum().backward()
        see(buffer)
        a.data -= 0.1 * a.grad
        b.data -= 0.1 * b.grad
        buffer.zero_()


@steps(4)
def layers_are_added(see: See) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    x = torch.randn(3, 2)
    for turn in range(4):
        if turn == 2:
            model.append(nn.Linear(2, 2))
        optimizer = sgd(model)
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
        see(*model.parameters())


@steps(6)
def frozen_then_not(see: See) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    x, y = torch.randn(4, 3), torch.randn(4, 2)
    model[0].requires_grad_(False)
    train(see, model, x, y)
    model[0].requires_grad_(True)
    train(see, model, x, y)


@steps(3)
def shared_weights(see: See) -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    train(see, nn.Sequential(first, second), torch.randn(4, 3), torch.randn(4, 3))


@steps(3)
def lazy_modules(see: See) -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
    x = torch.randn(4, 3)
    for _ in range(3):
        model(x).pow(2).sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(0.1 * parameter.grad)
        model.zero_grad()
        see(*model.parameters())


@steps(3)
def weight_norm(see: See) -> None:
    model = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    train(see, model, torch.randn(4, 3), torch.randn(4, 2))


@steps(4)
def nan_and_inf(see: See) -> None:
    w = torch.tensor([1.0, -1.0], requires_grad=True)
    for turn in range(4):
        (w.sqrt().sum() * (1e38 if turn else 1) * 10).backward()
        see(w.grad)
        w.data -= w.grad
        w.grad = None
