"""Each light row says which calls of optimizers came since the row before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import autograd_lens as lens

NOTHING, STEP, CLEARED, STEP_THEN_CLEARED, CLEARED_THEN_STEP = range(5)


def calls(path: Path) -> list[Any]:
    with lens.open(path) as trace:
        return [trace.rows.extras(row).get("calls") for row in range(len(trace.rows))]


def train(backward: Callable[[], None], *behind: Callable[[], object]) -> None:
    for _ in range(3):
        backward()
        for call in behind:
            call()


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


ORDERS = {
    "step, then zero_grad": (lambda o, _: (o.step, o.zero_grad), STEP_THEN_CLEARED),
    "zero_grad, then step": (lambda o, _: (o.zero_grad, o.step), CLEARED_THEN_STEP),
    "step alone": (lambda o, _: (o.step,), STEP),
    "the module clears": (lambda o, m: (m.zero_grad, o.step), CLEARED_THEN_STEP),
    "cleared in place": (
        lambda o, _: (lambda: o.zero_grad(set_to_none=False), o.step),
        CLEARED_THEN_STEP,
    ),
}


@pytest.mark.parametrize("case", ORDERS)
def test_the_order_of_torchs_optimizers(case: str, model: nn.Module, tmp_path: Path) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    make, expected = ORDERS[case]
    with lens.record(tmp_path / "run.lens", full="none"):
        train(lambda: model(torch.ones(4, 2)).sum().backward(), *make(optimizer, model))
    # Before the first call no optimizer is known.
    assert calls(tmp_path / "run.lens") == [None, expected, expected, expected]


def test_two_backwards_before_a_step(model: nn.Module, tmp_path: Path) -> None:
    optimizer = torch.optim.Adam(model.parameters())

    def twice() -> None:
        for _ in range(2):
            model(torch.ones(4, 2)).sum().backward()

    with lens.record(tmp_path / "run.lens", full="none"):
        train(twice, optimizer.step, optimizer.zero_grad)
    done = STEP_THEN_CLEARED
    assert calls(tmp_path / "run.lens") == [None, None, done, NOTHING, done, NOTHING, done]


def test_a_watched_one_of_the_programs_own(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)

    class Descent:
        def step(self) -> None:
            w.data -= 0.1 * w.grad

        def zero_grad(self) -> None:
            w.grad.zero_()

    with lens.record(tmp_path / "run.lens", full="none") as run:
        descent = run.watch(Descent())
        train(lambda: (w * w).sum().backward(), descent.step, descent.zero_grad)
    assert calls(tmp_path / "run.lens")[1:] == [STEP_THEN_CLEARED] * 3


def test_programs_without_known_optimizers_have_none(tmp_path: Path) -> None:
    w = torch.ones(2, requires_grad=True)
    with lens.record(tmp_path / "run.lens", full="none"):
        train(lambda: (w * w).sum().backward(), lambda: w.grad.zero_())  # noqa: PLW0108  it is None at first
    assert calls(tmp_path / "run.lens") == [None] * 4
