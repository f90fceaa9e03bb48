"""Recognising a linear regression on the tape, and its mathematics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autograd_lens.analysis.regression import recognise
from tests.support.linear_records import data, linear_step


def test_the_linear_regression_is_recognised_with_its_data() -> None:
    found = recognise(linear_step())
    x, y = data()
    assert (found.weight, found.bias, found.scale) == ("w1", "b1", 0.5)
    assert np.array_equal(found.x, x.ravel().astype(float))
    assert np.array_equal(found.y, y.ravel().astype(float))


def test_its_loss_and_gradient_are_the_recorded_ones() -> None:
    step = linear_step()
    found = recognise(step)
    weight, bias = (step.parameters[name].before.item() for name in ("w1", "b1"))
    assert found.loss(weight, bias) == pytest.approx(step.loss, rel=1e-6)
    grads = [step.parameters[name].grad.item() for name in ("w1", "b1")]
    assert found.gradient(weight, bias) == pytest.approx(grads, rel=1e-6)


def test_least_squares_and_the_stable_learning_rate_are_the_known_ones() -> None:
    found = recognise(linear_step())
    assert found.optimum == pytest.approx((2.93655, 10.55808), abs=1e-4)
    assert found.limit == pytest.approx(1.6134, abs=1e-4)
    assert np.linalg.norm(found.gradient(*found.optimum)) < 1e-12


def test_the_gradient_agrees_with_finite_differences() -> None:
    found = recognise(linear_step())
    at, small = np.array([1.5, -0.3]), 1e-6
    for place, mine in enumerate(found.gradient(*at)):
        move = small * np.eye(2)[place]
        slope = (found.loss(*(at + move)) - found.loss(*(at - move))) / (2 * small)
        assert mine == pytest.approx(slope, rel=1e-6)


def test_descending_below_the_limit_converges_and_above_it_runs_away() -> None:
    found = recognise(linear_step())
    near = found.descend((1.5, -0.3), 0.99 * found.limit, 2000)
    assert near[-1] == pytest.approx(found.optimum, abs=1e-3)
    away = found.descend((1.5, -0.3), 1.1 * found.limit, 2000)
    assert len(away) < 2000
    assert np.abs(away[-1]).max() > 1e5


def test_what_the_walk_proposes_is_not_believed_when_its_loss_is_another() -> None:
    step = linear_step()
    assert recognise(replace(step, loss=step.loss * 1.01)) is None


def test_a_light_step_and_a_step_without_backward_are_no_regression() -> None:
    assert recognise(replace(linear_step(), backwards=())) is None
    backward = replace(linear_step().backwards[0], graph=None)
    assert recognise(replace(linear_step(), backwards=(backward,))) is None


@pytest.mark.parametrize(
    ("program", "scale"),
    [
        ("torch.nn.functional.mse_loss(torch.nn.functional.linear(x, w, b), y)", 1.0),
        ("((x * w + b - y) ** 2).mean() / 2", 0.5),
        ("0.25 * torch.mean((y - (b + x @ w)).square())", 0.25),
        ("torch.nn.functional.l1_loss(x @ w + b, y)", None),
        ("((x @ w + b - y) ** 3).mean()", None),
    ],
)
def test_it_is_recognised_however_it_is_spelled(
    program: str, scale: float | None, tmp_path: Path
) -> None:
    import torch

    import autograd_lens as lens

    w = torch.nn.Parameter(torch.tensor([[0.5]]))
    b = torch.nn.Parameter(torch.tensor([0.25]))
    x = torch.linspace(0, 1, 7)[:, None]
    scope = {"torch": torch, "w": w, "b": b, "x": x, "y": 2 * x + 1}
    with lens.record(tmp_path / "a.lens", full="all") as run:
        run.watch(torch.nn.ParameterList([w, b]))
        for _ in run.steps(1):
            eval(program, scope).backward()  # noqa: S307  one of the five above
    with lens.open(tmp_path / "a.lens") as trace:
        found = recognise(trace.steps[0])
    assert (found.scale if found else None) == (None if scale is None else pytest.approx(scale))
