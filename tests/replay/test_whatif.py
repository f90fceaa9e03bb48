"""Descents with something changed, against the same program run with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import autograd_lens as lens
from autograd_lens.errors import ReplayError, SelectionError
from autograd_lens.replay.whatif import what_if
from autograd_lens.trace.descent import WhatIf
from autograd_lens.trace.reader import Trace

STEPS = 12


class Plain:
    """A handwritten optimizer, which the tape alone describes."""

    def __init__(self, params: list[torch.Tensor], lr: float) -> None:
        self.params = params
        self.lr = lr

    def step(self) -> None:
        for param in self.params:
            assert param.grad is not None
            param.data -= self.lr * param.grad.data
            param.grad.data.zero_()


def plain(path: Path, lr: float, start: float = 1.0) -> Path:
    torch.manual_seed(0)
    x = torch.rand(20, 1)
    y = 3 * x + 1
    w1, b1 = torch.full((1, 1), start, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = Plain([w1, b1], lr)
    with lens.record(path):
        for _ in range(STEPS):
            ((x.mm(w1) + b1 - y) ** 2).mean().backward()
            optimizer.step()
    return path


def adam(path: Path, lr: float) -> Path:
    torch.manual_seed(0)
    x, y = torch.randn(20, 3), torch.randint(0, 2, (20,))
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    with lens.record(path):
        for _ in range(STEPS):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return path


def assert_is_the_run(what: WhatIf, path: Path, first: int = 0) -> None:
    with Trace(path) as trace:
        np.testing.assert_array_equal(what.changed.losses, trace.losses[first:])
        for name, values in what.changed.values.items():
            np.testing.assert_array_equal(values, trace.parameter(name).values[first:])


def test_another_learning_rate_is_what_the_program_would_have_done(tmp_path: Path) -> None:
    with Trace(plain(tmp_path / "slow.lens", 0.1)) as trace:
        what = what_if(trace, 0, STEPS, {"lr": 0.7})
    assert what.originals == {"lr": "0.1"}
    assert what.changes == {"lr": "0.7"}
    assert_is_the_run(what, plain(tmp_path / "fast.lens", 0.7))


def test_another_start_is_what_the_program_would_have_done(tmp_path: Path) -> None:
    with Trace(plain(tmp_path / "near.lens", 0.1)) as trace:
        what = what_if(trace, 0, STEPS, {"w1": -5.0})
    assert what.originals == {"w1": "1"}
    assert_is_the_run(what, plain(tmp_path / "far.lens", 0.1, start=-5.0))


def test_numbers_that_an_optimizer_computes_follow_the_change(tmp_path: Path) -> None:
    with Trace(adam(tmp_path / "slow.lens", 0.01)) as trace:
        what = what_if(trace, 0, STEPS, {"lr": 0.2})
    assert_is_the_run(what, adam(tmp_path / "fast.lens", 0.2))


@pytest.mark.parametrize("first", [0, 3, 7])
def test_nothing_changed_is_the_recording(tmp_path: Path, first: int) -> None:
    path = adam(tmp_path / "run.lens", 0.01)
    with Trace(path) as trace:
        what = what_if(trace, first, STEPS - first, {"lr": 0.01})
        assert what.proof == f"The tape makes all {STEPS - first} recorded updates bit for bit."
    assert_is_the_run(what, path, first)


def test_it_goes_on_where_the_recording_ends(tmp_path: Path) -> None:
    with Trace(plain(tmp_path / "run.lens", 0.1)) as trace:
        what = what_if(trace, 4, 50, {"lr": 0.5})
    assert len(what.changed.losses) == 50
    assert len(what.recorded.losses) == STEPS - 4
    assert what.changed.losses[-1] < 1e-3


def test_one_element_can_be_set(tmp_path: Path) -> None:
    with Trace(adam(tmp_path / "run.lens", 0.01)) as trace:
        (name, *_) = [name for name in trace.parameters if name.endswith("weight")]
        what = what_if(trace, 0, 1, {f"{name}[1,2]": 9.0})
        before = trace.parameter(name).values[0].copy()
    assert what.changed.values[name][0][1, 2] == 9.0
    before[1, 2] = 9.0
    np.testing.assert_array_equal(what.changed.values[name][0], before)


def test_a_name_that_is_neither_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with (
        Trace(plain(tmp_path / "run.lens", 0.1)) as trace,
        pytest.raises(SelectionError, match=r"'rate' is neither .* It has lr, "),
    ):
        what_if(trace, 0, 3, {"rate": 1.0})


def scheduled(path: Path, rate: float, decay: float) -> Path:
    """A learning rate that a scheduler changes, and a decay that stays."""
    torch.manual_seed(0)
    w = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([w], rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    with lens.record(path):
        for _ in range(STEPS):
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()
            schedule.step()
    return path


def test_what_a_scheduler_did_is_done_again(tmp_path: Path) -> None:
    with (
        Trace(scheduled(tmp_path / "run.lens", 0.1, 0.25)) as trace,
        Trace(scheduled(tmp_path / "truth.lens", 0.1, 0.5)) as truth,
    ):
        descent = what_if(trace, 0, STEPS, {"weight_decay": 0.5})
        assert descent.changed.losses.tolist() == truth.losses.tolist()


def test_an_update_that_is_not_proved_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decayed.lens"
    w, optimizer = torch.ones(2, requires_grad=True), Plain([], 0.1)
    with lens.record(path):
        for _ in range(STEPS):
            (w**2).sum().backward()
            optimizer.params = [w]
            optimizer.step()
            optimizer.lr *= 0.9
    with (
        Trace(path) as trace,
        pytest.raises(ReplayError, match=r"cannot be proved.*Edit the script"),
    ):
        what_if(trace, 0, STEPS, {"lr": 0.2})
