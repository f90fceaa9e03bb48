"""Descents with something changed, against the same program run with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens
from autograd_lens.errors import ReplayError, SelectionError
from autograd_lens.replay.whatif import what_if
from autograd_lens.trace.outcomes import WhatIf
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
        pytest.raises(ReplayError, match=r"computes with lr.*Edit the script"),
    ):
        what_if(trace, 0, STEPS, {"lr": 0.2})


def trained(path: Path, build: Any, params: dict[str, float]) -> Path:
    """A program whose optimizer is ``build(parameters, **params)``."""
    torch.manual_seed(0)
    x = torch.rand(20, 1)
    y = 3 * x + 1
    w1, b1 = torch.ones(1, 1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = build([w1, b1], **params)
    with lens.record(path):
        for _ in range(STEPS):
            optimizer.zero_grad()
            ((x.mm(w1) + b1 - y) ** 2).mean().backward()
            optimizer.step()
    return path


@pytest.mark.parametrize(
    ("params", "change"),
    [
        ({"lr": 0.01, "momentum": 0.9}, {"lr": 0.3}),
        ({"lr": 0.01, "momentum": 0.9}, {"momentum": 0.5, "lr": 0.02}),
        ({"lr": 0.1, "momentum": 0.1, "weight_decay": 0.1}, {"weight_decay": 0.4}),
    ],
)
def test_momentum_and_equal_constants_of_pytorchs_sgd(
    tmp_path: Path, params: dict[str, float], change: dict[str, float]
) -> None:
    with Trace(trained(tmp_path / "run.lens", torch.optim.SGD, params)) as trace:
        what = what_if(trace, 0, STEPS, change)
    assert_is_the_run(what, trained(tmp_path / "truth.lens", torch.optim.SGD, params | change))


class Averaging:
    """Handwritten: follows a mean of the gradients, and shrinks the parameters."""

    def __init__(
        self, params: list[torch.Tensor], lr: float, keep: float = 0.5, shrink: float = 0.0
    ) -> None:
        self.params, self.lr, self.keep, self.shrink = params, lr, keep, shrink
        self.means = [torch.zeros_like(param) for param in params]

    def zero_grad(self) -> None:
        for param in self.params:
            param.grad = None

    def step(self) -> None:
        for param, mean in zip(self.params, self.means, strict=True):
            assert param.grad is not None
            mean.mul_(self.keep).add_(param.grad * (1 - self.keep))
            param.data -= self.lr * (mean + self.shrink * param.data)


@pytest.mark.parametrize(
    ("params", "name", "said"),
    [
        ({"lr": 0.1, "shrink": 0.1}, "lr", "shrink has the same value"),
        ({"lr": 0.1, "keep": 0.75}, "keep", "0.25, too, which may follow from keep"),
        ({"lr": 0.1, "keep": 0.5}, "keep", "the update has it twice"),
    ],
)
def test_a_number_that_may_be_another_is_not_changed(
    tmp_path: Path, params: dict[str, float], name: str, said: str
) -> None:
    with (
        Trace(trained(tmp_path / "run.lens", Averaging, params)) as trace,
        pytest.raises(ReplayError, match=f"{said}.*Edit the script"),
    ):
        what_if(trace, 0, STEPS, {name: 0.9})


def test_minibatches_and_dropout_are_those_of_the_recording(tmp_path: Path) -> None:
    def run(path: Path, lr: float) -> Path:
        torch.manual_seed(0)
        x, y = torch.randn(24, 3), torch.randint(0, 2, (24,))
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.3), nn.Linear(4, 2))
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        loader = DataLoader(TensorDataset(x, y), batch_size=6, shuffle=True)
        with lens.record(path) as record:
            record.watch(model, optimizer)
            for _ in range(3):
                for inputs, targets in loader:
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(model(inputs), targets).backward()
                    optimizer.step()
        return path

    with Trace(run(tmp_path / "run.lens", 0.01)) as trace:
        what = what_if(trace, 0, STEPS, {"lr": 0.1})
    assert_is_the_run(what, run(tmp_path / "truth.lens", 0.1))


def test_frozen_parameters_stay_out_of_the_descent(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(10, 3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model[2].parameters(), 0.1)
    with lens.record(tmp_path / "run.lens"):
        for _ in range(STEPS):
            optimizer.zero_grad()
            (model(x) ** 2).mean().backward()
            optimizer.step()
    with Trace(tmp_path / "run.lens") as trace:
        what = what_if(trace, 0, STEPS, {"lr": 0.1})
        np.testing.assert_array_equal(what.changed.losses, trace.losses)
    assert {values.shape for values in what.changed.values.values()} == {(13, 1, 4), (13, 1)}


def test_a_schedule_that_is_overruled_is_told(tmp_path: Path) -> None:
    with Trace(scheduled(tmp_path / "run.lens", 0.1, 0.25)) as trace:
        what = what_if(trace, 0, STEPS, {"lr": 0.2})
    assert "A schedule changed lr; here it is 0.2 in every step." in what.proof


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LR", 1.0, "Did you mean lr"),
        ("lrr", 1.0, "Did you mean lr"),
        ("w1[0,1]", 1.0, r'no element of w1.*The last one is "w1\[0,0\]"'),
        ("w1[0]", 1.0, "no element of w1"),
        ("lr", float("nan"), "cannot be set to nan"),
    ],
)
def test_what_cannot_be_set_says_what_can(
    tmp_path: Path, name: str, value: float, said: str
) -> None:
    with (
        Trace(plain(tmp_path / "run.lens", 0.1)) as trace,
        pytest.raises(SelectionError, match=said),
    ):
        what_if(trace, 0, 3, {name: value})


def test_recorded_values_that_were_not_kept_are_those_of_the_replay(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 200)
    model = nn.Linear(200, 200)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with lens.record(tmp_path / "run.lens"):
        for _ in range(STEPS):
            optimizer.zero_grad()
            (model(x) ** 2).mean().backward()
            optimizer.step()
    with Trace(tmp_path / "run.lens") as trace:
        (name, *_) = [name for name in trace.parameters if name.endswith("weight")]
        assert np.isnan(trace.parameter(name).values[3]).all()
        what = what_if(trace, 0, STEPS, {"lr": 0.1})
    recorded, changed = what.recorded.values[name], what.changed.values[name]
    np.testing.assert_array_equal(recorded[:STEPS], changed[:STEPS])
