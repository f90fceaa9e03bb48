"""A recording leaves nothing behind in the process, and keeps nothing alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import autograd_lens as lens
from tests.support.twins import random_streams, switches

LEVELS = ("none", "all")


@pytest.fixture(params=LEVELS)
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """Start a recording at each level."""
    return lambda: lens.record(tmp_path / "run.lens", full=request.param)


def one_step() -> tuple[nn.Linear, torch.optim.Optimizer]:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    functional.mse_loss(model(torch.ones(4, 3)), torch.ones(4, 2)).backward()
    optimizer.step()
    optimizer.zero_grad()
    return model, optimizer


def one_step_and_an_error() -> None:
    one_step()
    raise ZeroDivisionError


def test_everything_that_was_switched_on_is_off(record: Callable[[], Any]) -> None:
    before = switches()
    with record():
        one_step()
    assert switches() == before


def test_everything_is_off_after_an_exception(record: Callable[[], Any]) -> None:
    before = switches()
    with pytest.raises(ZeroDivisionError), record():
        one_step_and_an_error()
    assert switches() == before


def test_random_streams_are_untouched(record: Callable[[], Any]) -> None:
    before = random_streams()
    with record():
        w = torch.ones(3, requires_grad=True)
        (w**2).sum().backward()
    assert random_streams() == before


def test_watched_objects_are_as_they_were(record: Callable[[], Any]) -> None:
    class Descent:
        def __init__(self, params: Any) -> None:
            self.params = list(params)

        def step(self) -> None:
            for p in self.params:
                p.data -= 0.1 * p.grad

        def zero_grad(self) -> None:
            for p in self.params:
                p.grad.zero_()

    model = nn.Linear(2, 1)
    optimizer = Descent(model.parameters())
    attributes = dict(vars(optimizer))
    hooks = {name: dict(value) for name, value in vars(model).items() if name.endswith("hooks")}
    with record() as run:
        watched_model, loss_fn, watched_optimizer = run.watch(model, functional.mse_loss, optimizer)
        assert watched_model is model
        assert watched_optimizer is optimizer
        assert loss_fn.__name__ == "mse_loss"
        for _ in run.steps(3, progress=False):
            loss_fn(model(torch.ones(3, 2)), torch.ones(3, 1)).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert vars(optimizer) == attributes
    assert {k: dict(v) for k, v in vars(model).items() if k.endswith("hooks")} == hooks
    assert len(run.trace.steps) == 3


def test_versions_and_requires_grad_are_those_of_an_unrecorded_run(
    record: Callable[[], Any],
) -> None:
    def facts() -> list[tuple[bool, bool, int]]:
        w = torch.ones(3, requires_grad=True)
        y = w * 2
        y.add_(1)
        loss = y.sum()
        loss.backward()
        with torch.no_grad():
            w -= w.grad
        return [(t.requires_grad, t.is_leaf, t._version) for t in (w, y, loss, w.grad)]

    expected = facts()
    with record():
        assert facts() == expected


def test_tensors_die_when_they_would_have(record: Callable[[], Any]) -> None:
    def step(w: torch.Tensor) -> list[bool]:
        middle = w.exp()
        node = middle.grad_fn
        loss = (middle * 2).sum()
        alive = [weakref.ref(middle), weakref.ref(loss)]
        loss.backward()
        del middle, node
        seen = [reference() is not None for reference in alive]
        del loss
        return seen + [reference() is not None for reference in alive]

    expected = step(torch.ones(3, requires_grad=True))
    gc.disable()
    try:
        with record():
            w = torch.ones(3, requires_grad=True)
            for _ in range(3):
                assert step(w) == expected == [False, True, False, False]
                w.grad = None
    finally:
        gc.enable()


def test_models_and_optimizers_are_not_kept_alive(record: Callable[[], Any]) -> None:
    with record():
        model, optimizer = one_step()
        model, optimizer = one_step()  # the hooks of the first step have seen another one
        alive = [weakref.ref(model), weakref.ref(model.weight), weakref.ref(optimizer)]
        del model, optimizer
        gc.collect()
        assert [reference() for reference in alive] == [None] * 3


def test_saved_values_are_freed_after_backward(record: Callable[[], Any]) -> None:
    with record():
        w = torch.ones(3, requires_grad=True)
        loss = w.exp().sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            loss.backward()


def test_hooks_on_nodes_are_gone(record: Callable[[], Any], tmp_path: Path) -> None:
    w = torch.ones(3, requires_grad=True)
    with record():
        loss = (w**2).sum()
        loss.backward(retain_graph=True)
    size = (tmp_path / "run.lens").stat().st_size
    w.grad = None
    loss.backward()
    assert torch.equal(w.grad, 2 * w)
    assert (tmp_path / "run.lens").stat().st_size == size


def test_recordings_follow_one_another(tmp_path: Path) -> None:
    for name in ("a.lens", "b.lens"):
        with lens.record(tmp_path / name, full="all"):
            one_step()
        with lens.open(tmp_path / name) as trace:
            assert (len(trace.steps), trace.full_steps) == (1, (0,))
