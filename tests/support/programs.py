"""Small training programs of many shapes, for tests that record them and replay the recording.

Each function is a program whose loop pauses behind every turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  as PyTorch's own examples
from torch import nn

Turns = Iterator[None]


def line() -> Turns:
    """The handwritten optimizer of the first program, two scalars."""
    w, b = torch.randn(1, 1, requires_grad=True), torch.randn(1, requires_grad=True)
    x = torch.rand(20, 1)
    y = 3 * x + 10

    while True:
        ((x.mm(w) + b - y) ** 2 / 2).mean().backward()
        for p in (w, b):
            assert p.grad is not None
            p.data -= 0.1 * p.grad.data
            p.grad.data.zero_()
        yield


def convolution() -> Turns:
    """Batch norm with its running statistics, in-place ReLU, momentum."""
    model = nn.Sequential(
        *(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    x, y = torch.randn(4, 2, 8, 8), torch.randint(0, 3, (4,))

    while True:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        yield


def attention() -> Turns:
    """A transformer with dropout, and AdamW."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x = torch.randn(2, 5, 8)

    while True:
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
        yield


def recurrent() -> Turns:
    """An LSTM with dropout between its layers."""
    model, head = nn.LSTM(3, 4, 2, dropout=0.2), nn.Linear(4, 1)
    optimizer = torch.optim.RMSprop([*model.parameters(), *head.parameters()], lr=1e-3)
    x = torch.randn(5, 3, 3)

    while True:
        optimizer.zero_grad()
        head(model(x)[0]).pow(2).mean().backward()
        optimizer.step()
        yield


def drawn_batches() -> Turns:
    """Indices that are drawn anew in every step."""
    model, head = nn.Embedding(10, 4), nn.Linear(4, 1)
    optimizer = torch.optim.Adagrad([*model.parameters(), *head.parameters()], lr=0.1)

    while True:
        indices = torch.randint(0, 10, (6,))
        optimizer.zero_grad()
        head(model(indices)).pow(2).mean().backward()
        optimizer.step()
        yield


def two_players() -> Turns:
    """Two backwards, two optimizers and a detached tensor in one step."""
    maker, judge = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    first = torch.optim.SGD(maker.parameters(), 1e-2)
    second = torch.optim.SGD(judge.parameters(), 1e-2)
    real = torch.randn(5, 3)

    while True:
        noise = torch.randn(5, 2)
        second.zero_grad()
        fake = maker(noise)
        (F.softplus(-judge(real)).mean() + F.softplus(judge(fake.detach())).mean()).backward()
        second.step()
        first.zero_grad()
        F.softplus(-judge(maker(noise))).mean().backward()
        first.step()
        yield


def accumulation() -> Turns:
    """Four backwards that add up, cleared in place."""
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    parts = torch.randn(4, 6, 3)

    while True:
        for part in parts:
            (model(part).pow(2).mean() / 4).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        yield


def gradient_penalty() -> Turns:
    """A leaf made in the step, ``autograd.grad`` with ``create_graph``, a second backward."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.randn(6, 3)

    while True:
        leaf = x.clone().requires_grad_()
        y = model(leaf).sum()
        (slope,) = torch.autograd.grad(y, leaf, create_graph=True)
        optimizer.zero_grad()
        ((slope.norm() - 1) ** 2 + y.pow(2)).backward()
        optimizer.step()
        yield


def writes_into_views() -> Turns:
    """``CopySlices``: a slice is assigned, a view of a view is changed."""
    w, base = torch.randn(4, requires_grad=True), torch.randn(4)

    while True:
        x = base.clone()
        x[1:3] = w[1:3] * 2
        x.mul_(w)
        x.view(2, 2)[0].add_(1)
        x.sin().sum().backward()
        assert w.grad is not None
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad = None
        yield


def no_grad_target() -> Turns:
    """A target network under ``no_grad``, a metric under autograd, a moving average."""
    model, target = nn.Linear(3, 3), nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.randn(5, 3)

    while True:
        with torch.no_grad():
            y = target(x)
        loss = F.mse_loss(model(x), y)
        (model(x).argmax(1) == 0).float().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for ours, theirs in zip(target.parameters(), model.parameters(), strict=True):
                ours.lerp_(theirs, 0.1)
        yield


def mixed_precision() -> Turns:
    """bfloat16 inside, float32 outside."""
    model, x = nn.Linear(4, 2), torch.randn(3, 4)

    while True:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = model(x)
        y.float().pow(2).mean().backward()
        with torch.no_grad():
            for p in model.parameters():
                assert p.grad is not None
                p.sub_(0.1 * p.grad)
                p.grad = None
        yield


def clipped() -> Turns:
    """Gradient clipping before an optimizer that computes numbers in Python."""
    model, x = nn.Linear(3, 1), torch.randn(5, 3)
    optimizer = torch.optim.NAdam(model.parameters(), 0.1)

    while True:
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        yield


def epochs() -> Turns:
    """A shuffling data loader whose last batch is smaller, dropout, batch norm and Adam."""
    x, y = torch.randn(11, 3), torch.randint(0, 2, (11,))
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
    model = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def batches() -> Any:
        while True:
            yield from loader

    source = batches()

    while True:
        inputs, labels = next(source)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        yield


def validated() -> Turns:
    """Token batches reshaped by hand, the last one smaller, and a pass over others behind it."""
    data, held_out = torch.randint(0, 9, (11, 5)), torch.randint(0, 9, (4, 4))
    model = nn.Sequential(nn.Embedding(9, 6), nn.Dropout(0.2), nn.Linear(6, 9))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def batches() -> Any:
        while True:
            model.train()
            yield from torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
            model.eval()
            with torch.no_grad():
                model(held_out)

    source = batches()

    while True:
        tokens = next(source)
        logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.view(-1, 9), tokens[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def shuffled_by_hand() -> Turns:
    """Batches by a permutation that each epoch draws anew, the last one smaller, and noise."""
    data, model = torch.randn(11, 3), nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    while True:
        order = torch.randperm(11)
        for i in range(0, 11, 4):
            batch = data[order[i : i + 4]]
            out = model(batch) + torch.randn_like(batch) * 0.1
            optimizer.zero_grad()
            (out - batch).pow(2).mean().backward()
            optimizer.step()
            yield


def from_workers() -> Turns:
    """Batches that other processes made."""
    data = [(torch.full((3,), float(i)), torch.tensor([i % 2])) for i in range(8)]
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    while True:
        loader = torch.utils.data.DataLoader(
            data, batch_size=2, num_workers=1, multiprocessing_context="fork", shuffle=True
        )
        for x, y in loader:
            optimizer.zero_grad()
            F.mse_loss(model(x), y.float()).backward()
            optimizer.step()
            yield


def truncated() -> Turns:
    """Windows of one sequence, with a hidden state: which window it is only numbers tell."""
    x, y = torch.randn(2, 12, 3), torch.randn(2, 12, 1)
    cell, head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)

    while True:
        hidden = None
        for t in range(0, 12, 3):
            out, state = cell(x[:, t : t + 3], hidden)
            hidden = state.detach()
            optimizer.zero_grad()
            (head(out) - y[:, t : t + 3]).pow(2).mean().backward()
            optimizer.step()
            yield


def scheduled() -> Turns:
    """A learning rate that changes from step to step."""
    model, x = nn.Linear(3, 1), torch.randn(5, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    while True:
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
        schedule.step()
        yield


def grouped() -> Turns:
    """Parameter groups with rates of their own, both scheduled, and clipping."""
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(5, 3)
    groups = [
        {"params": [model[2].weight, model[0].weight], "weight_decay": 0.1},
        {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0, "lr": 0.05},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)

    while True:
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        schedule.step()
        yield


def decayed_by_hand() -> Turns:
    """An update by hand whose rate no attribute of an optimizer tells."""
    model, x = nn.Linear(3, 1), torch.randn(5, 3)
    rate = 0.1

    while True:
        model.zero_grad()
        model(x).pow(2).mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(rate * parameter.grad)
        rate *= 0.9
        yield


class _Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * grads[0]


def custom_function() -> Turns:
    """A backward that is the program's own code."""
    w = torch.randn(4, requires_grad=True)

    while True:
        _Square.apply(w).sum().backward()
        assert w.grad is not None
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad.zero_()
        yield


def unseen_batches() -> Turns:
    """A new batch in every step, from NumPy, read by no module and saved by no node."""
    import numpy as np

    w, numbers = torch.randn(3, requires_grad=True), np.random.default_rng(0)

    while True:
        x = torch.from_numpy(numbers.standard_normal(3).astype(np.float32))
        (w - x).square().sum().backward()
        assert w.grad is not None
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad.zero_()
        yield
