"""Loops: how steps are made of calls."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.capture.programs.registry import See, regression, sgd, steps, train


@steps(4)
def zero_grad_at_the_top(see: See) -> None:
    train(see, *regression(), turns=4)


@steps(3)
def zero_grad_at_the_bottom_and_twice(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        model.zero_grad(set_to_none=False)
        see(loss, model.weight, model.weight.grad)


@steps(3)
def zero_grad_missing(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        see(loss, model.weight.grad)


@steps(3)
def zero_grad_before_step(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        functional.mse_loss(model(x), y).backward()
        optimizer.zero_grad()
        optimizer.step()
        see(model.weight)


@steps(3)
def update_without_effect(see: See) -> None:
    model, x, y = regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(3):
        functional.mse_loss(model(x), y).backward()
        optimizer.step()
        see(model.weight)


@steps(3)
def gradient_accumulation(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(3):
        for part in range(3):
            functional.mse_loss(model(x + part), y).backward()
        optimizer.step()
        optimizer.zero_grad()
        see(model.weight)


@steps(3)
def two_losses_on_two_lines(see: See) -> None:
    generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 1)
    for_generator = torch.optim.Adam(generator.parameters())
    for_discriminator = torch.optim.Adam(discriminator.parameters())
    for _ in range(3):
        for_discriminator.zero_grad()
        fake = discriminator(generator(torch.randn(5, 2)).detach()).mean()
        (fake - discriminator(torch.randn(5, 2)).mean()).backward()
        for_discriminator.step()
        for_generator.zero_grad()
        (-discriminator(generator(torch.randn(5, 2))).mean()).backward()
        for_generator.step()
        see(generator.weight, discriminator.weight)


@steps(3)
def lbfgs_closure(see: See) -> None:
    model, x, y = regression()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        see(optimizer.step(closure), model.weight)


@steps(3)
def scheduler(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    for _ in range(3):
        optimizer.zero_grad()
        functional.mse_loss(model(x), y).backward()
        optimizer.step()
        schedule.step()
        see(model.weight, schedule.get_last_lr())


@steps(4)
def class_method_in_while_loop(see: See) -> None:
    class Trainer:
        def __init__(self) -> None:
            self.net, self.x, self.y = regression()
            self.optimizer = sgd(self.net)

        def one(self) -> None:
            self.optimizer.zero_grad()
            self.loss = functional.mse_loss(self.net(self.x), self.y)
            self.loss.backward()
            self.optimizer.step()

        def fit(self, turns: int) -> None:
            while turns:
                self.one()
                turns -= 1
                see(self.net.weight)

    Trainer().fit(4)


@steps(4)
def generator_function(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)

    def turns() -> Any:
        for _ in range(4):
            optimizer.zero_grad()
            loss = functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            yield loss

    for loss in turns():
        see(loss)


@steps(3)
def one_line_without_source(see: See) -> None:
    code = """
for _ in range(3): l = (w**2).sum(); l.backward(); w.data -= .1 * w.grad; w.grad = None; see(w)
"""
    exec(code, {"w": torch.ones(2, requires_grad=True), "see": see})  # noqa: S102


@steps(0)
def no_backward(see: See) -> None:
    model, x, _ = regression()
    see(model(x))


@steps(1)
def one_step_deeper_than_the_recursion_limit(see: See) -> None:
    w = torch.ones(1, requires_grad=True)
    y = w
    for _ in range(3_000):
        y = y + 1
    y.backward()
    see(w.grad)
