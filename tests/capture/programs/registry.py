"""The shapes of training loops, and the loop that many of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

See = Callable[..., None]
Shape = Callable[[See], None]

SHAPES: dict[str, tuple[Shape, int]] = {}


def steps(count: int) -> Callable[[Shape], Shape]:
    def enter(program: Shape) -> Shape:
        SHAPES[program.__name__] = program, count
        return program

    return enter


def regression() -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    return nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)


def sgd(*modules: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD([p for m in modules for p in m.parameters()], lr=0.1, **options)


def train(see: See, model: nn.Module, x: torch.Tensor, y: torch.Tensor, turns: int = 3) -> None:
    optimizer = sgd(model)
    for _ in range(turns):
        optimizer.zero_grad()
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        see(loss, *model.parameters(), *[p.grad for p in model.parameters()])
