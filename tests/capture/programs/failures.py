"""What goes wrong."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from tests.capture.programs.registry import See, regression, steps, train


@steps(1)
def saved_tensor_changed_in_place(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    see(w)
    a = w.exp()
    b = a * 2
    a.add_(1)
    b.sum().backward()


@steps(1)
def backward_twice(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    see(w)
    loss = w.exp().sum()
    loss.backward()
    loss.backward()


@steps(0)
def not_a_scalar(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    see(w)
    (w * 2).backward()


@steps(4)
def error_is_caught_and_training_goes_on(see: See) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(4):
        loss = w.exp().sum()
        loss.backward()
        try:
            loss.backward()
        except RuntimeError as error:
            see(str(error))
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        see(w)


@steps(2)
def error_in_forward(see: See) -> None:
    model, x, y = regression()
    train(see, model, x, y, turns=2)
    model(torch.randn(4, 7))


@steps(1)
def error_in_a_hook(see: See) -> None:
    def fails(_grad: torch.Tensor) -> None:
        msg = "in a hook"
        raise KeyError(msg)

    w = torch.ones(2, requires_grad=True)
    see(w)
    a = w * 2
    a.register_hook(fails)
    a.sum().backward()


@steps(1)
def error_in_the_optimizer(see: See) -> None:
    class Broken(torch.optim.SGD):
        def step(self, _closure: Any = None) -> None:
            msg = "no step"
            raise ValueError(msg)

    model, x, y = regression()
    optimizer = Broken(model.parameters())
    functional.mse_loss(model(x), y).backward()
    see(model.weight.grad)
    optimizer.step()
